import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { RealtimeModule } from '@aerie/realtime';
import { RealtimeMetricsModule } from '@aerie/realtime/metrics';
import { EchoGateway } from './echo.gateway.js';

// A Nest application with Aerie in it, as docs/library.md shows: tokens, the registry, heartbeat and metrics are on.

const UNLIMITED = 1_000_000;

@Module({
  imports: [
    RealtimeModule.forRoot({
      auth: { jwt: { secret: process.env['AUTH_JWT_SECRET'] ?? '' } },
      limits: { maxConnections: 100_000, messagesPerSecond: UNLIMITED, messagesBurst: UNLIMITED },
    }),
    RealtimeMetricsModule.forRoot({}),
  ],
  providers: [EchoGateway],
})
class AppModule {}

const app = await NestFactory.create(AppModule, { logger: false });
await app.listen(Number(process.env['PORT']), '127.0.0.1');

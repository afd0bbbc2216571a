/** An application for the spec of `app.close()`: it closes when asked by IPC, and nothing then ends the process but itself. */
import 'reflect-metadata';
import { RealtimeModule } from '@aerie/realtime';
import { RealtimeHealthModule } from '@aerie/realtime/health';
import { RealtimeMetricsModule } from '@aerie/realtime/metrics';
import { RealtimeRedisModule } from '@aerie/realtime/redis';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WebSocketGateway } from '@nestjs/websockets';
import { JWT_SECRET } from './tokens.js';

const { REDIS_URL } = process.env;

@WebSocketGateway({ path: '/ws' })
class PlainGateway {}

@Module({
  imports: [
    RealtimeModule.forRoot({ auth: { jwt: { secret: JWT_SECRET } }, tickets: true }),
    RealtimeHealthModule.forRoot({}),
    RealtimeMetricsModule.forRoot({}),
    ...(REDIS_URL === undefined ? [] : [RealtimeRedisModule.forRoot({ url: REDIS_URL })]),
  ],
  providers: [PlainGateway],
})
class App {}

const app = await NestFactory.create(App, { logger: ['error'] });
await app.listen(0, '127.0.0.1');
process.once('message', () => void app.close().then(() => process.disconnect()));
process.send?.(await app.getUrl());

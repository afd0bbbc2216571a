/** An application whose node may be killed or paused, for the specs of sessions. Says in JSON lines what it is told. */
import 'reflect-metadata';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CurrentSession, RealtimeModule, RealtimeService, type Session } from '@aerie/realtime';
import { RealtimeApiModule } from '@aerie/realtime/api';
import { drainOnSignals } from '@aerie/realtime/drain';
import { RealtimeMetricsModule } from '@aerie/realtime/metrics';
import { RealtimeRedisModule } from '@aerie/realtime/redis';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';

const {
  REDIS_URL = '',
  NODE = '',
  JWT_SECRET = '',
  API_KEY = '',
  LEASE_MS = '2000',
  GRACE_MS = '1000',
  PER_USER = '',
  OVERFLOW = 'refuse',
  HEARTBEAT_MS = '30000',
  DRAIN_MS = '1000',
} = process.env;

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

@WebSocketGateway({ path: '/ws' })
class Gateway {
  @SubscribeMessage('note')
  note(@MessageBody() note: unknown, @CurrentSession() { user }: Session): boolean {
    say({ note, user });
    return true;
  }
}

@Module({
  imports: [
    RealtimeModule.forRoot({
      node: NODE,
      auth: { jwt: { secret: JWT_SECRET } },
      channels: [{ pattern: 'room:{id}', presence: true, maySubscribe: () => true, mayPublish: () => false }],
      sessions: { leaseMs: Number(LEASE_MS), graceMs: Number(GRACE_MS) },
      limits: {
        ...(PER_USER !== '' && { maxConnectionsPerUser: Number(PER_USER) }),
        userOverflow: OVERFLOW === 'replace' ? 'replace' : 'refuse',
      },
      drain: { windowMs: Number(DRAIN_MS) },
      heartbeat: { intervalMs: Number(HEARTBEAT_MS), timeoutMs: Number(HEARTBEAT_MS) },
    }),
    RealtimeRedisModule.forRoot({ url: REDIS_URL }),
    RealtimeApiModule.forRoot({ keys: [{ name: 'test', scope: 'admin', secret: API_KEY }] }),
    RealtimeMetricsModule.forRoot({}),
  ],
  providers: [Gateway],
})
class App {}

const app = await NestFactory.create(App, { logger: ['warn', 'error'] });
const realtime: RealtimeService = app.get(RealtimeService);
realtime.onSession((event) => say({ event }));
await drainOnSignals(app);
await app.listen(0, '127.0.0.1');
const { port } = (app.getHttpServer() as Server).address() as AddressInfo;
say({ port });

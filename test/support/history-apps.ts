import { randomUUID } from 'node:crypto';
import type { ChannelRule } from '@aerie/realtime';
import { RealtimeRedisModule } from '@aerie/realtime/redis';
import { WebSocketGateway } from '@nestjs/websockets';
import { type NestApp, startNestApp } from './nest-app.js';

export const LIMITS = { size: 100, ttlMs: 60_000 };

/** `room:{id}` with a history, `plain:{id}` without, `secret:{id}` with one that is nobody's; the users' own channels have one. */
export const CHANNELS: readonly ChannelRule[] = [
  { pattern: 'room:{id}', history: LIMITS, maySubscribe: () => true, mayPublish: () => true },
  { pattern: 'plain:{id}', maySubscribe: () => true, mayPublish: () => true },
  { pattern: 'secret:{id}', history: LIMITS, maySubscribe: () => false, mayPublish: () => true },
];

@WebSocketGateway({ path: '/ws' })
class Gateway {}

export interface HistoryAppOptions {
  /** Default: memory. */
  readonly redisUrl?: string;
  readonly prefix?: string;
}

/** A Nest application whose channels have histories. */
export function startHistoryApp({
  redisUrl,
  prefix = `spec-${randomUUID()}:`,
}: HistoryAppOptions = {}): Promise<NestApp> {
  const redis =
    redisUrl === undefined
      ? []
      : [RealtimeRedisModule.forRoot({ url: redisUrl, prefix, commandTimeoutMs: 500 })];
  return startNestApp(
    { imports: redis, providers: [Gateway] },
    { realtime: { channels: CHANNELS, userChannel: { history: LIMITS } } },
  );
}

import type { ChannelRule } from '@aerie/realtime';
import { RealtimeApiModule } from '@aerie/realtime/api';
import { RealtimeMetricsModule } from '@aerie/realtime/metrics';
import { RealtimeRedisModule } from '@aerie/realtime/redis';
import { WebSocketGateway } from '@nestjs/websockets';
import { API_KEY } from './gateway.js';
import { type NestApp, startNestApp } from './nest-app.js';

/** `room:{id}` with presence, `past:{id}` with a history too, `plain:{id}` without, `secret:{id}` with presence that is nobody's. */
const CHANNELS: readonly ChannelRule[] = [
  { pattern: 'room:{id}', presence: true, maySubscribe: () => true, mayPublish: () => true },
  {
    pattern: 'past:{id}',
    presence: true,
    history: { size: 100, ttlMs: 60_000 },
    maySubscribe: () => true,
    mayPublish: () => true,
  },
  { pattern: 'plain:{id}', maySubscribe: () => true, mayPublish: () => true },
  { pattern: 'secret:{id}', presence: true, maySubscribe: () => false, mayPublish: () => true },
];

@WebSocketGateway({ path: '/ws' })
class Gateway {}

export interface PresenceAppOptions {
  /** Default: memory. */
  readonly redisUrl?: string;
  readonly prefix?: string;
  readonly graceMs?: number;
}

/** A Nest application whose channels have presence. */
export function startPresenceApp({
  redisUrl,
  prefix = 'aerie:',
  graceMs = 500,
}: PresenceAppOptions = {}): Promise<NestApp> {
  const redis =
    redisUrl === undefined
      ? []
      : [RealtimeRedisModule.forRoot({ url: redisUrl, prefix, commandTimeoutMs: 500 })];
  return startNestApp(
    {
      imports: [
        ...redis,
        RealtimeApiModule.forRoot({ keys: [{ name: 'test', scope: 'admin', secret: API_KEY }] }),
        RealtimeMetricsModule.forRoot({}),
      ],
      providers: [Gateway],
    },
    { realtime: { channels: CHANNELS, sessions: { leaseMs: 2_000, graceMs } } },
  );
}

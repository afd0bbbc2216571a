import { freePort } from './free-port.js';
import { type RunningGateway, startGateway } from './gateway.js';
import { type RedisServer, startRedis } from './redis-server.js';

type Environment = Readonly<Record<string, string>>;

const CHANNELS = JSON.stringify({
  channels: [
    {
      pattern: 'room:{id}',
      subscribe: 'authenticated',
      publish: 'authenticated',
      history: { size: 1_000, ttlMs: 60_000 },
    },
  ],
});

export interface PairedGateway extends RunningGateway {
  /** On 127.0.0.1. */
  readonly grpcPort: number;
}

/** Two gateways on a Redis of their own, whose channels `room:{id}` have a history. They believe a proxy on this machine. */
export class GatewayPair {
  private constructor(
    readonly redis: RedisServer,
    readonly first: PairedGateway,
    readonly second: PairedGateway,
    readonly env: Environment,
  ) {}

  /** With this environment on top of the tests' own. */
  static async start(env: Environment = {}): Promise<GatewayPair> {
    const redis = await startRedis();
    const shared = { REDIS_URL: redis.url, CHANNELS, TRUST_PROXY: '127.0.0.1', ...env };
    const [first, second] = await Promise.all([startPaired(shared), startPaired(shared)]);
    return new GatewayPair(redis, first, second, shared);
  }

  /** Another one beside them; whoever starts it stops it. */
  startAnother(env: Environment = {}): Promise<PairedGateway> {
    return startPaired({ ...this.env, ...env });
  }

  /** By way of the second one. */
  async publish(channel: string, ...data: unknown[]): Promise<void> {
    for (const datum of data) await this.second.api('publish', { channel, event: 'count', data: datum });
  }

  /** How many connections the two have. */
  async connections(): Promise<number> {
    return (await this.first.connections()) + (await this.second.connections());
  }

  async stop(): Promise<void> {
    await Promise.all([this.first.stop(), this.second.stop()]);
    await this.redis.stop();
  }
}

async function startPaired(env: Environment): Promise<PairedGateway> {
  const grpcPort = await freePort();
  return Object.assign(await startGateway({ ...env, GRPC_PORT: String(grpcPort) }), { grpcPort });
}

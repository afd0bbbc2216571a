import { type RedisServer, startRedis } from '../support/redis-server.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { Fleet } from './fleet.js';

/** A fleet on a Redis of its own, behind a proxy that can be cut. */
export class RedisFleet extends Fleet {
  private constructor(
    readonly redis: RedisServer,
    readonly proxy: TcpProxy,
  ) {
    super(`redis://127.0.0.1:${proxy.port}`);
  }

  static async on(followers: number): Promise<RedisFleet> {
    const redis = await startRedis();
    const fleet = new RedisFleet(redis, await startTcpProxy(redis.port));
    return fleet.start(followers);
  }

  override async stop(): Promise<void> {
    await super.stop();
    await this.proxy.close();
    await this.redis.stop();
  }
}

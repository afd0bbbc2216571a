import type { TestProject } from 'vitest/node';
import { startRedis, type RedisServer } from './redis-server.js';

declare module 'vitest' {
  export interface ProvidedContext {
    readonly redisUrl: string;
  }
}

let own: RedisServer | undefined;

/**
 * Gives every spec a real Redis in `TEST_REDIS_URL` (and `inject('redisUrl')`): that of `REDIS_URL`, else one of its own
 * that ends with the run. Specs share it, so each uses a prefix of its own.
 */
export async function setup(project: TestProject): Promise<void> {
  const given = process.env['TEST_REDIS_URL'] ?? process.env['REDIS_URL'];
  if (given === undefined) own = await startRedis();
  const url = given ?? own?.url ?? '';
  process.env['TEST_REDIS_URL'] = url;
  project.provide('redisUrl', url);
}

export async function teardown(): Promise<void> {
  await own?.stop();
  own = undefined;
}

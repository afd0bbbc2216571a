import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { startRedis, type RedisServer } from '../../../../test/support/redis-server.js';
import { describeFailureCounter } from '../testing/contracts/failure-counter.contract.js';
import { RedisFailureCounter } from './redis-failure-counter.js';

let shared: Redis;
let server: RedisServer;
let client: Redis;
let other: Redis;
beforeAll(async () => {
  shared = new Redis(inject('redisUrl'));
  server = await startRedis();
  [client, other] = [new Redis(server.url), new Redis(server.url)];
  for (const one of [client, other]) one.on('error', () => undefined);
  await vi.waitUntil(() => [shared, client, other].every(({ status }) => status === 'ready'));
});
afterAll(async () => {
  for (const one of [shared, client, other]) one.disconnect();
  await server.stop();
});
afterEach(() => vi.restoreAllMocks());

describeFailureCounter('Redis', async () => new RedisFailureCounter(shared, `${randomUUID()}:`));

async function fail(counter: RedisFailureCounter, times: number): Promise<void> {
  await Promise.all(Array.from({ length: times }, () => counter.record('203.0.113.9')));
}

describe('a Redis failure counter', () => {
  it('counts over all nodes', async () => {
    const [one, two] = [new RedisFailureCounter(client, 'n:'), new RedisFailureCounter(other, 'n:')];
    await fail(one, 60);
    await fail(two, 40);
    expect(await one.blockedForMs('203.0.113.9')).toBeGreaterThan(0);
    expect(await two.blockedForMs('203.0.113.9')).toBeGreaterThan(0);
  });

  it('asks once for a crowd behind one address, and again when that fails', async () => {
    const [one, two] = [new RedisFailureCounter(client, 'c:'), new RedisFailureCounter(other, 'c:')];
    const looks = vi.spyOn(client, 'multi');
    const crowd = Array.from({ length: 50 }, () => one.blockedForMs('203.0.113.9'));
    expect(new Set(await Promise.all(crowd))).toEqual(new Set([0]));
    for (let n = 0; n < 50; n += 1) expect(await one.blockedForMs('203.0.113.9')).toBe(0);
    expect(looks).toHaveBeenCalledTimes(1);
    await fail(two, 99);
    await fail(one, 1);
    expect(await one.blockedForMs('203.0.113.9')).toBeGreaterThan(0);
  });

  it('leaves nothing in Redis that does not expire', async () => {
    await fail(new RedisFailureCounter(client, 'e:'), 100);
    const keys = await client.keys('e:*');
    expect(keys).toEqual(['e:1:failures:203.0.113.9']);
    expect(await client.pttl(keys[0] ?? '')).toBeGreaterThan(0);
  });

  it.each(['silent', 'dead'] as const)(
    'counts in memory while Redis is %s, never waits for a second, and comes back',
    async (state) => {
      const warn = vi.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
      const counter = new RedisFailureCounter(client, `${state}:`);
      await counter.record('203.0.113.9');
      await (state === 'silent' ? server.pause() : server.kill());
      const before = performance.now();
      await fail(counter, 100);
      expect(await counter.blockedForMs('203.0.113.9')).toBeGreaterThan(0);
      expect(performance.now() - before).toBeLessThan(1_500);
      expect(warn).toHaveBeenCalled();
      await (state === 'silent' ? server.resume() : server.restart());
      await vi.waitUntil(
        async () => {
          await counter.record('198.51.100.7');
          return (await client.exists(`${state}:1:failures:198.51.100.7`).catch(() => 0)) === 1;
        },
        { timeout: 10_000, interval: 100 },
      );
      expect(await counter.blockedForMs('203.0.113.9')).toBeGreaterThan(0);
      await counter.close();
    },
  );
});

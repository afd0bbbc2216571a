import { randomUUID } from 'node:crypto';
import { describe, expect, inject, it } from 'vitest';
import { startRedis } from '../../../../test/support/redis-server.js';
import { describeNodeDirectory } from '../testing/contracts/node-directory.contract.js';
import { RedisNodeDirectory } from './redis-node-directory.js';
import { RedisStoreConnection } from './redis-store-connection.js';

const info = { node: 'one', connections: 3, users: 2, startedAt: 1, draining: false };

describeNodeDirectory('redis', async () => {
  const connection = new RedisStoreConnection({ url: inject('redisUrl') });
  await connection.open();
  return {
    directory: new RedisNodeDirectory(connection.client, `spec-${randomUUID()}:`),
    close: () => connection.close(),
  };
});

describe('the redis node directory', () => {
  it('tells a Redis that lost its data by another origin, and by having connected anew', async () => {
    const redis = await startRedis();
    const connection = new RedisStoreConnection({ url: redis.url });
    const directory = new RedisNodeDirectory(connection.client);
    await connection.open();
    const claim = { info, fence: 'f', leaseMs: 10_000 };
    try {
      const before = await directory.renew({ ...claim, joins: true });
      expect((await directory.renew(claim)).reconnected).toBe(false);
      await redis.restart();
      const state = (): Promise<unknown> => directory.renew(claim).catch(() => undefined);
      await expect.poll(state, { timeout: 10_000 }).toMatchObject({ state: 'absent', reconnected: true });
      expect((await directory.renew(claim)).origin).not.toBe(before.origin);
    } finally {
      await connection.close();
      await redis.stop();
    }
  });

  it('rejects with unavailable while Redis is away', async () => {
    const connection = new RedisStoreConnection({ url: inject('redisUrl') });
    const directory = new RedisNodeDirectory(connection.client);
    await expect(directory.list()).rejects.toMatchObject({ code: 'unavailable' });
    await expect(directory.renew({ info, fence: 'f', leaseMs: 1 })).rejects.toMatchObject({
      code: 'unavailable',
    });
    await connection.close();
  });
});

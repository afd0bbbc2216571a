import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import type { NodeInfo } from '../sessions/node-directory.js';
import { RedisKeys } from './redis-keys.js';
import { RedisNodeDirectory } from './redis-node-directory.js';
import { RedisStoreConnection } from './redis-store-connection.js';

describe('the redis node directory', () => {
  const one: NodeInfo = { node: 'one', connections: 3, users: 2, startedAt: 1, draining: false };
  const two: NodeInfo = { node: 'two', connections: 5, users: 4, startedAt: 2, draining: true };
  let connection: RedisStoreConnection;
  let prefix: string;
  const directory = (): RedisNodeDirectory => new RedisNodeDirectory(connection.client, prefix);

  beforeEach(async () => {
    prefix = `spec-${randomUUID()}:`;
    connection = new RedisStoreConnection({ url: inject('redisUrl') });
    await connection.open();
  });
  afterEach(() => connection.close());

  it('lists every node that announced itself, with its latest numbers', async () => {
    const [first, second] = [directory(), directory()];
    await first.announce(one);
    await second.announce(two);
    await first.announce({ ...one, connections: 4 });
    expect(await second.list()).toEqual([two, { ...one, connections: 4 }]);
    expect(await directory().list()).toHaveLength(2);
  });

  it('forgets a node that withdrew', async () => {
    const [first, second] = [directory(), directory()];
    await first.announce(one);
    await second.announce(two);
    await first.withdraw();
    expect(await second.list()).toEqual([two]);
    expect(await first.list()).toEqual([two]);
  });

  it('forgets a node whose entry has expired, and prunes its name', async () => {
    const keys = new RedisKeys(prefix);
    await directory().announce(one);
    expect(await connection.client.pttl(keys.node('one'))).toBeGreaterThan(9_000);
    await connection.client.pexpire(keys.node('one'), 0);
    expect(await directory().list()).toEqual([]);
    expect(await connection.client.exists(keys.nodes)).toBe(0);
  });

  it('knows this node alone while Redis is away, and rejects nothing', async () => {
    const first = directory();
    await directory().announce(two);
    await first.announce(one);
    await connection.close();
    await first.announce({ ...one, users: 9 });
    expect(await first.list()).toEqual([{ ...one, users: 9 }]);
    await first.withdraw();
  });
});

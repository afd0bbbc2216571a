import { randomUUID } from 'node:crypto';
import { describe, expect, inject, it } from 'vitest';
import {
  CONTRACT_CLAIM_MS,
  describeSessionRegistry,
} from '../testing/contracts/session-registry.contract.js';
import { RedisSessionRegistry } from './redis-session-registry.js';
import { RedisStoreConnection } from './redis-store-connection.js';
import { BUCKETS, bucketOf } from './user-bucket.js';

describeSessionRegistry('redis', async () => {
  const connection = await openConnection();
  const options = { prefix: `spec-${randomUUID()}:`, claimMs: CONTRACT_CLAIM_MS };
  return {
    registry: new RedisSessionRegistry(connection.client, options),
    now: async () => {
      const [seconds, micros] = await connection.client.time();
      return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
    },
    close: () => connection.close(),
  };
});

describe('the redis session registry', () => {
  it('leaves nothing behind of connections that came and went', async () => {
    const connection = await openConnection();
    const prefix = `spec-${randomUUID()}:`;
    const registry = new RedisSessionRegistry(connection.client, { prefix });
    const lease = { node: 'one', fence: 'f', leaseUntil: Date.now() + 60_000 };
    const record = {
      id: 'a',
      node: 'one',
      transport: 'websocket',
      address: '',
      openedAt: 1,
      expiresAt: null,
    } as const;
    await registry.hold('alice', 5, 50);
    const written = await registry.write(lease, [
      {
        type: 'enter',
        user: 'alice',
        record,
        told: true,
        again: false,
        limit: { max: 5, overflow: 'refuse' },
      },
      { type: 'leave', user: 'alice', connection: 'a', graceMs: 0, code: 1000, reason: '' },
    ]);
    await registry.acknowledge(written.flatMap((one) => (one.ok ? one.events : [])));
    expect(await connection.client.keys(`${prefix}*`)).toEqual([]);
    await connection.close();
  });

  it('rejects with unavailable while Redis is away', async () => {
    const connection = await openConnection();
    const registry = new RedisSessionRegistry(connection.client);
    await connection.close();
    const lease = { node: 'one', fence: 'f', leaseUntil: Date.now() + 60_000 };
    const left = {
      type: 'leave',
      user: 'alice',
      connection: 'a',
      graceMs: 0,
      code: 1000,
      reason: '',
    } as const;
    for (const answer of [
      registry.ofUser('alice'),
      registry.write(lease, [left]),
      registry.hold('alice', 1, 0),
    ])
      await expect(answer).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe("a user's bucket", () => {
  it('is the same in every release', () => {
    expect(['alice', 'bob', 'Zoë', ''].map(bucketOf)).toEqual([39, 20, 28, 5]);
  });

  it('is one of 64, and users spread over all of them', () => {
    const buckets = Array.from({ length: 2_000 }, (_, index) => bucketOf(`user-${index}`));
    expect(new Set(buckets).size).toBe(BUCKETS);
    expect(Math.max(...buckets)).toBe(BUCKETS - 1);
  });
});

async function openConnection(): Promise<RedisStoreConnection> {
  const connection = new RedisStoreConnection({ url: inject('redisUrl') });
  await connection.open();
  return connection;
}

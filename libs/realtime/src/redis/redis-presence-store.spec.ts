import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, inject, it } from 'vitest';
import { describePresenceStore } from '../testing/contracts/presence-store.contract.js';
import { RedisBackplane } from './redis-backplane.js';
import { primariesOf } from './redis-client.js';
import { RedisPresenceStore } from './redis-presence-store.js';
import { RedisStoreConnection } from './redis-store-connection.js';

describePresenceStore('redis', async () => {
  const connection = await openConnection();
  const prefix = `spec-${randomUUID()}:`;
  return {
    store: new RedisPresenceStore(connection.client, prefix),
    backplane: new RedisBackplane({ source: { url: inject('redisUrl') }, prefix }),
    now: async () => {
      const [seconds = 0, micros = 0] = (await primariesOf(connection.client)[0]?.time()) ?? [];
      return seconds * 1_000 + Math.floor(micros / 1_000);
    },
    close: () => connection.close(),
  };
});

describe('the redis presence store', () => {
  it('leaves nothing behind of members that came and went, by goodbye, grace or sweep', async () => {
    const connection = await openConnection();
    const prefix = `spec-${randomUUID()}:`;
    const store = new RedisPresenceStore(connection.client, prefix);
    const leaseUntil = Date.now() + 60_000;
    const [one, two] = ['one', 'two'].map((node) => ({ node, fence: node, leaseUntil }));
    if (one === undefined || two === undefined) throw new Error('two leases');
    await store.write(
      one,
      ['a', 'b', 'c', 'd'].map((user) => ({ type: 'enter', ...subscription(user), user })),
    );
    await store.write(one, [
      { type: 'leave', ...subscription('a'), graceMs: 0 },
      { type: 'leave', ...subscription('b'), graceMs: 50 },
      { type: 'leave', ...subscription('c'), graceMs: 60_000 },
      { type: 'enter', ...subscription('c2'), user: 'c' },
    ]);
    expect(await store.sweep(two, 'one')).toMatchObject({ state: 'more', removed: 2 });
    await sleep(1_100);
    await store.endGraces(two);
    expect(await primariesOf(connection.client)[0]?.keys(`${prefix}*`)).toEqual([]);
    await connection.close();
  });

  it('rejects with unavailable while Redis is away', async () => {
    const connection = await openConnection();
    const store = new RedisPresenceStore(connection.client);
    await connection.close();
    const lease = { node: 'one', fence: 'f', leaseUntil: Date.now() + 60_000 };
    const left = { type: 'leave', channel: 'room:7', connection: 'a', graceMs: 0 } as const;
    for (const answer of [
      store.page('room:7', { limit: 1 }),
      store.write(lease, [left]),
      store.sweep(lease, 'g'),
      store.endGraces(lease),
    ])
      await expect(answer).rejects.toMatchObject({ code: 'unavailable' });
  });
});

function subscription(connection: string) {
  return { channel: 'room:7', connection };
}

async function openConnection(): Promise<RedisStoreConnection> {
  const connection = new RedisStoreConnection({ url: inject('redisUrl') });
  await connection.open();
  return connection;
}

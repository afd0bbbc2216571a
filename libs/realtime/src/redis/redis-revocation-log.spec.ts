import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { startRedis } from '../../../../test/support/redis-server.js';
import type { Session } from '../connections/session.js';
import { BackplaneUnavailable } from '../publishing/backplane.js';
import { describeRevocationLog } from '../testing/contracts/revocation-log.contract.js';
import type { Revocation } from '../sessions/revocations.js';
import { RedisKeys } from './redis-keys.js';
import { RedisRevocationLog } from './redis-revocation-log.js';
import { RedisStoreConnection } from './redis-store-connection.js';

describeRevocationLog(
  'redis',
  async () => {
    const connection = new RedisStoreConnection({ url: inject('redisUrl') });
    await connection.open();
    const prefix = `spec-${randomUUID()}:`;
    return {
      node: () => new RedisRevocationLog(connection.client, { prefix }),
      close: () => connection.close(),
    };
  },
  { shared: true },
);

describe('the redis revocation log', () => {
  const WAIT = { timeout: 10_000, interval: 20 };
  const cleanups: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const end of cleanups.splice(0).toReversed()) await end();
  });

  async function connect(url: string): Promise<RedisStoreConnection> {
    const connection = new RedisStoreConnection({ url }, 400);
    cleanups.push(() => connection.close());
    await connection.open();
    return connection;
  }

  async function startLog(
    connection: RedisStoreConnection,
    told: Revocation[] = [],
  ): Promise<RedisRevocationLog> {
    const log = new RedisRevocationLog(connection.client);
    cleanups.push(() => log.close());
    await log.start((revocation) => void told.push(revocation));
    return log;
  }

  it('starts while Redis is away, is not loaded until it read everything, and then tells of what it read', async () => {
    const redis = await startRedis();
    cleanups.push(() => redis.stop());
    await redis.kill();
    const told: Revocation[] = [];
    const log = await startLog(await connect(redis.url), told);
    expect(log.loaded).toBe(false);
    await expect(log.add({ jti: 'a' })).rejects.toBeInstanceOf(BackplaneUnavailable);
    await redis.restart();
    await (await startLog(await connect(redis.url))).add({ jti: 'b' });
    await vi.waitFor(() => expect(log.loaded).toBe(true), WAIT);
    await vi.waitFor(() => expect(told).toEqual([{ jti: 'b' }]), WAIT);
  });

  it('keeps its copy over a Redis that lost everything, and follows the new one', async () => {
    const redis = await startRedis();
    cleanups.push(() => redis.stop());
    const connection = await connect(redis.url);
    const log = await startLog(connection);
    await log.add({ jti: 'old' });
    await redis.restart();
    await vi.waitFor(() => log.add({ jti: 'new' }), WAIT);
    expect([log.covers(sessionOf('old')), log.covers(sessionOf('new'))]).toEqual([true, true]);
  });

  it('passes over entries that it does not understand', async () => {
    const connection = await connect(inject('redisUrl'));
    const prefix = `spec-${randomUUID()}:`;
    await connection.client.xadd(new RedisKeys(prefix).revocations, '*', 'r', 'not JSON');
    await connection.client.xadd(new RedisKeys(prefix).revocations, '*', 'r', '{"jti":7}');
    const log = new RedisRevocationLog(connection.client, { prefix });
    cleanups.push(() => log.close());
    await log.start(() => undefined);
    await log.add({ jti: 'a' });
    expect([log.covers(sessionOf('a')), log.covers(sessionOf('b'))]).toEqual([true, false]);
  });
});

function sessionOf(jti: string): Session {
  return { user: 'dave', claims: {}, jti };
}

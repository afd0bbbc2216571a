import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { startRedis, type RedisServer } from '../../../../test/support/redis-server.js';
import { startTcpProxy } from '../../../../test/support/tcp-proxy.js';
import type { HistoryLimits } from '../history/history.js';
import { BackplaneUnavailable } from '../publishing/backplane.js';
import { describeHistory } from '../testing/contracts/history.contract.js';
import { RedisBackplane } from './redis-backplane.js';
import { RedisHistory } from './redis-history.js';

describeHistory('redis', async () => {
  const options = { source: { url: inject('redisUrl') }, prefix: `spec-${randomUUID()}:` };
  return {
    node: () => ({ history: new RedisHistory(options), backplane: new RedisBackplane(options) }),
    close: async () => undefined,
  };
});

const CHANNEL = 'room:7';
const LIMITS = { size: 1_000, ttlMs: 60_000 };
const WAIT = { timeout: 15_000, interval: 10 };

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of cleanups.splice(0).toReversed()) await end();
});

async function redisServer(args: readonly string[] = []): Promise<RedisServer & { admin: Redis }> {
  const redis = await startRedis({ args: ['--enable-debug-command', 'yes', ...args] });
  cleanups.push(() => redis.stop());
  const admin = new Redis(redis.url);
  cleanups.push(async () => admin.disconnect());
  return Object.assign(redis, { admin });
}

async function historyOn(url: string): Promise<RedisHistory> {
  const history = new RedisHistory({ source: { url }, commandTimeoutMs: 400 });
  cleanups.push(() => history.close());
  await history.start();
  return history;
}

function append(
  history: RedisHistory,
  { key, limits = LIMITS }: { key?: string; limits?: HistoryLimits } = {},
) {
  const idempotencyKey = key ?? randomUUID();
  return history.append({ channel: CHANNEL, frame: Buffer.from('x'), idempotencyKey, limits });
}

function position(history: RedisHistory) {
  return history.position({ channel: CHANNEL, limits: LIMITS });
}

describe('a history on Redis', () => {
  const losses = [
    ['FLUSHALL', (admin: Redis) => admin.flushall()],
    ['a change of the replication id', (admin: Redis) => admin.call('DEBUG', 'CHANGE-REPL-ID')],
    ['the loss of its stream', (admin: Redis) => admin.del('aerie:1:{room:7}:history')],
    ['the loss of its meta', (admin: Redis) => admin.del('aerie:1:{room:7}:history:meta')],
  ] as const;

  it.each(losses)('begins a new epoch at offset 1 after %s', async (_what, lose) => {
    const { url, admin } = await redisServer();
    const history = await historyOn(url);
    const { epoch } = await append(history);
    await append(history);
    await lose(admin);
    const appended = await append(history);
    expect(appended.offset).toBe(1);
    expect(appended.epoch).not.toBe(epoch);
    const page = await history.read({ channel: CHANNEL, limits: LIMITS, after: 0, limit: 10, maxBytes: 100 });
    expect(page).toMatchObject({ epoch: appended.epoch, offset: 1, entries: [{ offset: 1 }] });
  });

  it.each(losses)('is seen as a new epoch by who reads or looks first after %s', async (_what, lose) => {
    const { url, admin } = await redisServer();
    const history = await historyOn(url);
    const { epoch } = await append(history);
    await lose(admin);
    const page = await history.read({ channel: CHANNEL, limits: LIMITS, after: 0, limit: 10, maxBytes: 100 });
    expect(page).toMatchObject({ offset: 0, entries: [] });
    expect(page.epoch).not.toBe(epoch);
    expect(await position(history)).toEqual({ epoch: page.epoch, offset: 0 });
  });

  it('keeps stream and meta for an hour longer than its entries', async () => {
    const { url, admin } = await redisServer();
    const history = await historyOn(url);
    await append(history);
    const lives = await Promise.all(
      ['aerie:1:{room:7}:history', 'aerie:1:{room:7}:history:meta'].map((key) => admin.pttl(key)),
    );
    for (const life of lives) expect(life).toBeGreaterThan(LIMITS.ttlMs + 3_600_000);
  });

  it('drops 64 expired entries at most with each new one', async () => {
    const { url, admin } = await redisServer();
    const history = await historyOn(url);
    await Promise.all(Array.from({ length: 150 }, () => append(history)));
    const short = { size: 1_000, ttlMs: 50 };
    await expect
      .poll(() => history.read({ channel: CHANNEL, limits: short, after: 0, limit: 1, maxBytes: 1 }), WAIT)
      .toMatchObject({ entries: [] });
    const lengths: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      await append(history, { limits: { size: 1_000, ttlMs: 50 } });
      lengths.push(await admin.xlen('aerie:1:{room:7}:history'));
    }
    expect(lengths.slice(0, 2)).toEqual([87, 24]);
    expect(lengths[2]).toBeLessThanOrEqual(3);
  });

  it('appends once, though the connection was cut before the answer and the client repeats', async () => {
    const { url, admin, port } = await redisServer();
    const proxy = await startTcpProxy(port);
    cleanups.push(() => proxy.close());
    const history = await historyOn(`redis://127.0.0.1:${proxy.port}`);
    const witness = await historyOn(url);
    await append(history);
    proxy.setMode('mute');
    await expect(append(history, { key: 'k' })).rejects.toBeInstanceOf(BackplaneUnavailable);
    expect((await position(witness)).offset).toBe(2);
    proxy.setMode('cut');
    proxy.setMode('pass');
    await vi.waitFor(
      async () => expect(await append(history, { key: 'k' })).toMatchObject({ duplicate: true, offset: 2 }),
      WAIT,
    );
    expect(await admin.xlen('aerie:1:{room:7}:history')).toBe(2);
  });

  it('refuses to start on a Redis that may evict it', async () => {
    const { url } = await redisServer(['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru']);
    const history = new RedisHistory({ source: { url } });
    cleanups.push(() => history.close());
    await expect(history.start()).rejects.toThrow('allkeys-lru');
  });

  it('starts where Redis is away, and serves once it is there', async () => {
    const redis = await redisServer();
    await redis.kill();
    const history = await historyOn(redis.url);
    await expect(position(history)).rejects.toBeInstanceOf(BackplaneUnavailable);
    await redis.restart();
    await vi.waitFor(async () => expect((await position(history)).offset).toBe(0), WAIT);
  });
});

import 'reflect-metadata';
import { Global, Module } from '@nestjs/common';
import { Backplane, driverToken, RealtimeService } from '@aerie/realtime';
import type { ReceivedFrame, TestClient } from '@aerie/realtime/testing';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CHANNELS, startHistoryApp } from './support/history-apps.js';
import { type NestApp, startNestApp } from './support/nest-app.js';
import { type RedisServer, startRedis } from './support/redis-server.js';
import { startTcpProxy } from './support/tcp-proxy.js';
import { SlowBackplane } from './support/slow-backplane.js';

const WAIT = { timeout: 15_000, interval: 10 };
const ROOM = 'room:1';

describe('two nodes with histories on one Redis', () => {
  let redis: RedisServer;
  let admin: Redis;
  let epoch: string;
  let left: NestApp;
  let right: NestApp;

  beforeEach(async () => {
    redis = await startRedis();
    admin = new Redis(redis.url);
    admin.on('error', () => undefined);
    const options = { redisUrl: redis.url, prefix: 'spec:' };
    [left, right] = await Promise.all([startHistoryApp(options), startHistoryApp(options)]);
  });
  afterEach(async () => {
    admin.disconnect();
    await Promise.all([left.close(), right.close()]);
    await redis.stop();
  });

  async function subscriber(app: NestApp, user: string): Promise<TestClient> {
    const client = await app.connect(user);
    const { data } = await client.request('$subscribe', { channel: ROOM });
    epoch = (data as { epoch: string }).epoch;
    return client;
  }

  /** Publishes numbers through the right node, each until Redis says that it has it. */
  async function publish(from: number, to: number): Promise<void> {
    for (let n = from; n <= to; n += 1)
      await vi.waitFor(async () => {
        const outcome = await right
          .get(RealtimeService)
          .channel(ROOM)
          .publish('count', n, { idempotencyKey: String(n) });
        expect(outcome.ok).toBe(true);
      }, WAIT);
  }

  it('heal in order what was published while their subscriptions were cut', async () => {
    const clients = [
      await subscriber(left, 'ann'),
      await subscriber(left, 'ben'),
      await subscriber(right, 'cat'),
    ];
    await publish(1, 3);
    await admin.client('KILL', 'TYPE', 'PUBSUB');
    await publish(4, 40);
    for (const client of clients) await vi.waitFor(() => expect(counts(client)).toHaveLength(40), WAIT);
    await publish(41, 43);
    for (const client of clients) {
      await vi.waitFor(() => expect(counts(client)).toHaveLength(43), WAIT);
      expect(counts(client)).toEqual(Array.from({ length: 43 }, (_, index) => index + 1));
      expect(resyncs(client)).toEqual([]);
    }
  });

  it('refuse what they can’t know while cut off from Redis, and go on without a gap behind it', async () => {
    const network = await startTcpProxy(redis.port);
    const cutOff = await startHistoryApp({ redisUrl: `redis://127.0.0.1:${network.port}`, prefix: 'spec:' });
    try {
      const ann = await subscriber(cutOff, 'ann');
      await publish(1, 2);
      await vi.waitFor(() => expect(counts(ann)).toEqual([1, 2]), WAIT);
      network.setMode('cut');
      await publish(3, 30);
      const ben = await cutOff.connect('ben');
      const refused = { error: { code: 'unavailable' } };
      expect(await ben.request('$subscribe', { channel: 'room:2' })).toMatchObject(refused);
      expect(await ben.request('$history', { channel: ROOM })).toMatchObject(refused);
      expect(await ben.request('$publish', { channel: ROOM, event: 'x' })).toMatchObject(refused);
      network.setMode('pass');
      await vi.waitFor(() => expect(counts(ann)).toHaveLength(30), WAIT);
      await publish(31, 32);
      await vi.waitFor(() => expect(counts(ann)).toHaveLength(32), WAIT);
      expect(counts(ann)).toEqual(Array.from({ length: 32 }, (_, index) => index + 1));
      expect(resyncs(ann)).toEqual([]);
    } finally {
      await cutOff.close();
      await network.close();
    }
  });

  it('lose nothing to 200 clients that are cut off and come back on the other node', async () => {
    const users = Array.from({ length: 200 }, (_, index) => `user-${index}`);
    const first = await Promise.all(users.map((user) => subscriber(left, user)));
    let published = 0;
    const publishing = new AbortController();
    const load = (async () => {
      for (; !publishing.signal.aborted; published += 1) await publish(published + 1, published + 1);
    })();
    for (const client of first) await client.frame(({ data }) => data === 10);
    for (const client of first) client.socket.terminate();
    await Promise.all(first.map(({ closed }) => closed));
    const back = await Promise.all(
      users.map(async (user, index) => {
        const client = await right.connect(user);
        const position = { epoch, offset: first[index]?.received.at(-1)?.offset };
        return { client, reply: await client.request('$subscribe', { channel: ROOM, position }) };
      }),
    );
    publishing.abort();
    await load;
    const all = Array.from({ length: published }, (_, index) => index + 1);
    for (const [index, { client, reply }] of back.entries()) {
      const { recovered, publications } = reply.data as { recovered: boolean; publications: ReceivedFrame[] };
      expect(recovered).toBe(true);
      await vi.waitFor(() => expect(client.received.at(-1)?.data).toBe(published), WAIT);
      const before = counts(first[index] as TestClient);
      expect([...before, ...publications.map(({ data }) => data), ...counts(client)]).toEqual(all);
    }
  });

  const losses = [
    ['a FLUSHALL', async () => void (await admin.flushall())],
    [
      'a killed and restarted Redis',
      async () => {
        await redis.kill();
        await redis.restart();
      },
    ],
  ] as const;

  it.each(losses)(
    'tell every subscriber of %s, and go on from the position that they told',
    async (_what, lose) => {
      const clients = [await subscriber(left, 'ann'), await subscriber(right, 'cat')];
      await publish(1, 3);
      for (const client of clients) await vi.waitFor(() => expect(counts(client)).toHaveLength(3), WAIT);
      await lose();
      await publish(4, 6);
      for (const client of clients) {
        await client.frame(isResync, 15_000);
        const [resync] = resyncs(client);
        expect(resync).toMatchObject({ channel: ROOM, reason: 'new_epoch' });
      }
      await publish(7, 9);
      for (const client of clients) {
        await client.frame(({ data }) => data === 9);
        const told = client.received.findIndex(isResync);
        const [notice] = resyncs(client);
        const { offset } = notice as { offset: number };
        const after = client.received.slice(told).flatMap(({ offset: each }) => each ?? []);
        expect(after).toEqual(after.map((_, index) => offset + index + 1));
        expect(client.received.slice(0, told).every(({ data }) => data !== 4)).toBe(true);
      }
    },
  );
});

describe('an application whose channels have histories', () => {
  it('does not boot on a Redis that may evict them', async () => {
    const redis = await startRedis({ args: ['--maxmemory', '100mb', '--maxmemory-policy', 'volatile-lru'] });
    try {
      await expect(startHistoryApp({ redisUrl: redis.url })).rejects.toThrow(/volatile-lru.*noeviction/);
    } finally {
      await redis.stop();
    }
  });

  it('does not boot beside a backplane whose technology has none', async () => {
    const backplane = new SlowBackplane();
    @Global()
    @Module({
      providers: [{ provide: driverToken(Backplane), useValue: backplane }],
      exports: [driverToken(Backplane)],
    })
    class ForeignBackplane {}
    const metadata = { imports: [ForeignBackplane] };
    await expect(startNestApp(metadata, { realtime: { channels: CHANNELS } })).rejects.toThrow(/"slow"/);
    await (await startNestApp(metadata)).close();
  });
});

function counts({ received }: TestClient): unknown[] {
  return received.filter(({ event }) => event === 'count').map(({ data }) => data);
}

// A user's own channel begins anew as well.
function isResync({ event, data }: ReceivedFrame): boolean {
  return event === '$resync' && (data as { channel: string }).channel === ROOM;
}

function resyncs({ received }: TestClient): unknown[] {
  return received.filter(isResync).map(({ data }) => data);
}

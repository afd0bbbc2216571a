import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { history, publications } from '@aerie/client/reading';
import { RealtimeService } from '@aerie/realtime';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { Clients, when } from './support/clients.js';
import { tokenFor } from './support/gateway.js';
import { startHistoryApp } from './support/history-apps.js';
import type { NestApp } from './support/nest-app.js';
import { type RedisServer, startRedis } from './support/redis-server.js';
import { startTcpProxy, type TcpProxy } from './support/tcp-proxy.js';

const WAIT = { timeout: 15_000, interval: 10 };

describe('the SDK on channels with a history', () => {
  const clients = new Clients();
  let redis: RedisServer;
  let app: NestApp;
  let other: NestApp;
  let network: TcpProxy;

  beforeAll(async () => {
    redis = await startRedis();
    const nodes = { redisUrl: redis.url, prefix: `spec-${randomUUID()}:` };
    [app, other] = await Promise.all([startHistoryApp(nodes), startHistoryApp(nodes)]);
    network = await startTcpProxy(app.port);
  });
  afterEach(() => {
    clients.closeAll();
    network.setTarget(app.port);
  });
  afterAll(async () => {
    await network.close();
    await Promise.all([app.close(), other.close()]);
    await redis.stop();
  });

  const open = () =>
    clients.open(`ws://127.0.0.1:${network.port}/ws`, { token: () => tokenFor('ann'), webSocket: WebSocket });

  async function publish(channel: string, from: number, to: number): Promise<void> {
    const service = app.get(RealtimeService);
    for (let n = from; n <= to; n += 1)
      expect(await service.channel(channel).publish('say', n)).toMatchObject({ ok: true });
  }

  it.each(['room:sdk', 'user:ann'])('misses nothing in %s over lost connections', async (name) => {
    const client = await open();
    const channel = client.channel(name);
    const [seen, lost]: [number[], unknown[]] = [[], []];
    channel.on('say', (n) => seen.push(n));
    channel.onResync((resync) => lost.push(resync));
    await channel.subscribe();
    for (let n = 0; n < 21; n += 7) {
      await publish(name, n + 1, n + 2);
      network.setMode('cut');
      await when(client, 'waiting');
      await publish(name, n + 3, n + 7);
      network.setMode('pass');
      await vi.waitFor(() => expect(channel.state).toEqual({ status: 'subscribed', recovered: true }), WAIT);
    }
    await vi.waitFor(() => expect(seen).toHaveLength(21), WAIT);
    expect(seen).toEqual(Array.from({ length: 21 }, (_, index) => index + 1));
    expect(lost).toEqual([]);
  });

  it('is told that it missed more than half of what it may be owed, and goes on behind it', async () => {
    const client = await open();
    const channel = client.channel('room:big');
    const [seen, lost]: [unknown[], unknown[]] = [[], []];
    channel.on('say', (data) => seen.push(data));
    channel.onResync((resync) => lost.push(resync));
    await channel.subscribe();
    network.setMode('cut');
    await when(client, 'waiting');
    const service = app.get(RealtimeService).channel('room:big');
    for (let n = 0; n < 6; n += 1)
      expect(await service.publish('say', 'x'.repeat(100_000))).toMatchObject({ ok: true });
    network.setMode('pass');
    await vi.waitFor(() => expect(channel.state).toEqual({ status: 'subscribed', recovered: false }), WAIT);
    expect(lost).toMatchObject([{ reason: 'not recovered', position: { offset: 6 } }]);
    await service.publish('say', 'next');
    await vi.waitFor(() => expect(seen).toEqual(['next']), WAIT);
  });

  it('is told where it can’t go on, while it is away and while it is there', async () => {
    const admin = new Redis(redis.url);
    const client = await open();
    const room = client.channel('room:lost');
    const lost: { reason: string }[] = [];
    room.onResync((resync) => lost.push(resync));
    await room.subscribe();
    network.setMode('cut');
    await when(client, 'waiting');
    await admin.flushall();
    await publish('room:lost', 1, 2);
    network.setMode('pass');
    await vi.waitFor(
      () => expect(lost).toMatchObject([{ reason: 'not recovered', position: { offset: 2 } }]),
      WAIT,
    );
    await admin.flushall();
    await publish('room:lost', 1, 1);
    await vi.waitFor(
      () => expect(lost.at(1)).toMatchObject({ reason: 'new_epoch', position: { offset: 1 } }),
      WAIT,
    );
    admin.disconnect();
  });

  it('is read by `for await`, everything once and in order, over lost connections and on another node', async () => {
    const client = await open();
    const channel = client.channel('room:read');
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const { event, data } of publications(channel)) {
        seen.push(data);
        if (event === 'say' && data === 21) return;
      }
    })();
    await vi.waitFor(() => expect(channel.state).toMatchObject({ status: 'subscribed' }), WAIT);
    for (let n = 0; n < 21; n += 7) {
      await publish('room:read', n + 1, n + 2);
      network.setMode('cut');
      await when(client, 'waiting');
      await publish('room:read', n + 3, n + 7);
      network.setTarget(n === 0 ? other.port : app.port);
      network.setMode('pass');
      await when(client, 'open');
    }
    await reading;
    expect(seen).toEqual(countFrom(1, 21));
    // Who breaks off reads no more, and is subscribed still.
    expect(channel.state.status).toBe('subscribed');
  });

  it('gives each of two readers everything, whenever they read', async () => {
    const client = await open();
    const channel = client.channel('room:readers');
    const readers = [publications(channel), publications(channel)];
    const first = readers.map((reader) => reader.next());
    await channel.subscribe();
    await publish('room:readers', 1, 3);
    expect((await Promise.all(first)).map(({ value }) => value?.data)).toEqual([1, 1]);
    for (const reader of readers)
      expect([(await reader.next()).value?.data, (await reader.next()).value?.data]).toEqual([2, 3]);
    await channel.unsubscribe();
    for (const reader of readers) expect(await reader.next()).toEqual({ done: true, value: undefined });
  });

  it('has pages of its history, behind `after` and without a subscription, over a lost connection', async () => {
    await publish('room:pages', 1, 10);
    const client = await open();
    const channel = client.channel('room:pages');
    const newest = await history(channel, { limit: 3 });
    expect(newest).toMatchObject({ channel: 'room:pages', offset: 10, epoch: expect.any(String) as string });
    expect(newest.publications.map(({ data }) => data)).toEqual([8, 9, 10]);

    const first = await history(channel, { after: 0, limit: 4 });
    network.setMode('cut');
    await when(client, 'waiting');
    const asked = history(channel, { after: 4, limit: 4 });
    await publish('room:pages', 11, 11);
    network.setTarget(other.port);
    network.setMode('pass');
    const last = await history(channel, { after: 8, limit: 4 });
    const pages = [first, await asked, last];
    expect(pages.map((page) => page.publications.map(({ data }) => data))).toEqual([
      [1, 2, 3, 4],
      [5, 6, 7, 8],
      [9, 10, 11],
    ]);
    expect(pages.map(({ offset }) => offset)).toEqual([10, 11, 11]);
    expect(channel.state).toEqual({ status: 'idle' });
  });

  it('has no more of its history than the channel keeps', async () => {
    await publish('room:trimmed', 1, 120);
    const client = await open();
    const page = await history(client.channel('room:trimmed'), { after: 0, limit: 10 });
    expect(page.offset).toBe(120);
    expect(page.publications.map(({ offset }) => offset)).toEqual(countFrom(21, 10));
  });

  it('refuses history and reading of a channel that is forbidden or does not exist, and says which has none', async () => {
    const client = await open();
    for (const name of ['secret:1', 'nobody:1']) {
      const channel = client.channel(name);
      await expect(history(channel)).rejects.toMatchObject({ code: 'forbidden' });
      await expect(publications(channel).next()).rejects.toMatchObject({ code: 'forbidden' });
    }
    const plain = client.channel('plain:1');
    await expect(history(plain)).rejects.toMatchObject({ code: 'not_found' });
    await expect(history(plain, { limit: 101 })).rejects.toMatchObject({ code: 'invalid' });
    const reader = publications(plain);
    const next = reader.next();
    await plain.subscribe();
    expect(await app.get(RealtimeService).channel('plain:1').publish('say', 7)).toMatchObject({ ok: true });
    expect((await next).value).toMatchObject({ event: 'say', data: 7 });
  });
});

function countFrom(first: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}

import 'reflect-metadata';
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
  let network: TcpProxy;

  beforeAll(async () => {
    redis = await startRedis();
    app = await startHistoryApp({ redisUrl: redis.url });
    network = await startTcpProxy(app.port);
  });
  afterEach(() => clients.closeAll());
  afterAll(async () => {
    await network.close();
    await app.close();
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
});

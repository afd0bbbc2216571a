import 'reflect-metadata';
import { RealtimeModule, RealtimeService } from '@aerie/realtime';
import { RealtimeRedisModule } from '@aerie/realtime/redis';
import { openClient, probeUpgrade, type ReceivedFrame, type TestClient } from '@aerie/realtime/testing';
import { type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { JWT_SECRET, type RunningGateway, startGateway, tokenFor } from './support/gateway.js';
import { type RedisServer, startRedis } from './support/redis-server.js';
import { callApi } from './support/server-api.js';

const CHANNELS = JSON.stringify({
  channels: [{ pattern: 'room:{id}', subscribe: 'authenticated', publish: 'authenticated' }],
});

describe('two gateways on one Redis', () => {
  let redis: RedisServer;
  let left: RunningGateway;
  let right: RunningGateway;
  const clients: TestClient[] = [];

  beforeAll(async () => {
    redis = await startRedis();
    const env = { REDIS_URL: redis.url, CHANNELS, MESSAGES_PER_SECOND: '100000', MESSAGES_BURST: '100000' };
    [left, right] = await Promise.all([startGateway(env), startGateway(env)]);
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.socket.terminate();
  });
  afterAll(async () => {
    await Promise.all([left?.stop(), right?.stop()]);
    await redis?.stop();
  });

  async function join(gateway: RunningGateway, user: string, channels: readonly string[] = []) {
    const client = await openClient(gateway.ws(), { token: tokenFor(user) });
    clients.push(client);
    await client.frame('$welcome');
    for (const channel of channels)
      expect(await client.request('$subscribe', { channel })).toMatchObject({ data: { channel } });
    return client;
  }

  it('carries 10,000 publications to every subscriber on both, each once and all in one order', async () => {
    const channels = ['room:1', 'room:2', 'room:3', 'room:4', 'room:5'];
    const subscribers = await Promise.all([
      join(left, 'ann', channels),
      join(left, 'ben', channels),
      join(right, 'cat', channels),
      join(right, 'dan', channels),
    ]);
    const publishers = await Promise.all([join(left, 'eve'), join(right, 'fay')]);
    for (let n = 1; n <= 1_000; n += 1)
      for (const publisher of publishers)
        for (const channel of channels) publisher.send('$publish', { channel, event: 'count', data: n });

    for (const subscriber of subscribers)
      await vi.waitFor(() => expect(counts(subscriber.received)).toHaveLength(10_000), { timeout: 20_000 });
    for (const channel of channels) {
      const [first, ...others] = subscribers.map(({ received }) => storyOf(channel, received));
      for (const other of others) expect(other).toEqual(first);
      for (const from of ['eve', 'fay'])
        expect(first?.filter((line) => line.startsWith(from))).toEqual(
          Array.from({ length: 1_000 }, (_, index) => `${from} ${index + 1}`),
        );
    }
  });

  it('publishes through the server API of one to subscribers of the other and of its own', async () => {
    const [here, there] = await Promise.all([
      join(left, 'ann', ['room:api']),
      join(right, 'ben', ['room:api']),
    ]);
    await left.api('publish', { channel: 'room:api', event: 'news', data: { n: 1 } });
    const expected = { event: 'news', channel: 'room:api', data: { n: 1 } };
    expect(await here.frame('news')).toEqual(expected);
    expect(await there.frame('news')).toEqual(expected);
  });

  it('broadcasts to everyone on both', async () => {
    const everyone = await Promise.all([join(left, 'ann'), join(right, 'ben'), join(right, 'cat')]);
    await right.api('broadcast', { event: 'hello', data: 'all' });
    for (const client of everyone)
      expect(await client.frame('hello')).toEqual({ event: 'hello', data: 'all' });
  });

  it('announces a publication once, though its key comes through both', async () => {
    const subscriber = await join(right, 'ann', ['room:once']);
    const publication = { channel: 'room:once', event: 'paid', data: 1, idempotencyKey: 'invoice-1' };
    const first = await callApi(left, 'publish', publication);
    const second = await callApi(right, 'publish', publication);
    expect(first).toMatchObject({ status: 200, body: { channel: 'room:once' } });
    expect(second).toMatchObject({ status: 200, body: { channel: 'room:once', duplicate: true } });
    await left.api('publish', { channel: 'room:once', event: 'end', data: null });
    await subscriber.frame('end');
    expect(subscriber.received.filter(({ event }) => event === 'paid')).toHaveLength(1);
  });

  it('closes a user’s connections on the other with 4403, or 4401 where they may come back', async () => {
    const [ann, ben, other] = await Promise.all([join(right, 'ann'), join(right, 'ben'), join(right, 'cat')]);
    await left.api('disconnect', { user: 'ann' });
    await left.api('disconnect', { user: 'ben', reconnect: true });
    expect(await ann.closed).toEqual({ code: 4403, reason: 'disconnected' });
    expect(await ben.closed).toEqual({ code: 4401, reason: 'session ended' });
    expect(await other.request('$ping')).toHaveProperty('data');
  });

  it('takes a user out of a channel on the other', async () => {
    const [removed, stays] = await Promise.all([
      join(right, 'ann', ['room:closed']),
      join(right, 'ben', ['room:closed']),
    ]);
    await left.api('unsubscribe', { user: 'ann', channel: 'room:closed' });
    expect(await removed.frame('$unsubscribed')).toMatchObject({ data: { channel: 'room:closed' } });
    await left.api('publish', { channel: 'room:closed', event: 'secret', data: null });
    await stays.frame('secret');
    await removed.request('$ping');
    expect(removed.received.some(({ event }) => event === 'secret')).toBe(false);
  });

  it('ends a revoked session on the other within a second, and refuses its token there', async () => {
    const token = tokenFor('ann', { jti: 'stolen' });
    const client = await openClient(right.ws(), { token });
    clients.push(client);
    const unaffected = await join(right, 'ann');
    const startedAt = performance.now();
    await left.api('revoke', { jti: 'stolen' });
    expect(await client.closed).toEqual({ code: 4401, reason: 'session ended' });
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    expect((await probeUpgrade(right.ws(), { token })).status).toBe(401);
    expect(await unaffected.request('$ping')).toHaveProperty('data');
  });

  it('redeems a ticket of the one on the other, exactly once', async () => {
    const ticket = await left.ticket(tokenFor('ann'));
    const attempts = [left, right, left, right].map((gateway) =>
      probeUpgrade(gateway.ws(`?ticket=${ticket}`)),
    );
    const statuses = (await Promise.all(attempts)).map(({ status }) => status);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([101, 401, 401, 401]);

    const forTheOther = await left.ticket(tokenFor('ben'));
    const client = await openClient(right.ws(`?ticket=${forTheOther}`));
    clients.push(client);
    expect(await client.frame('$welcome')).toMatchObject({ data: { user: 'ben' } });
  });

  it('lists both in /api/info, with who is on them', async () => {
    await Promise.all([join(left, 'ann'), join(right, 'ben'), join(right, 'cat')]);
    await vi.waitFor(
      async () => {
        const info = (await left.api('info')) as {
          node: string;
          nodes: { node: string; connections: number }[];
        };
        expect(info).toMatchObject({
          connections: 1,
          users: 1,
          backplane: { name: 'redis', shared: true, up: true },
        });
        expect(info.nodes.map(({ connections }) => connections)).toEqual([1, 2]);
        expect(info.nodes[0]?.node).toBe(info.node);
      },
      { timeout: 8_000, interval: 200 },
    );
  });

  it('delivers what an application’s own node emits to a user, wherever the user is', async () => {
    const app = await startApplication(redis.url);
    try {
      const devices = await Promise.all([join(left, 'ann'), join(right, 'ann'), join(right, 'ben')]);
      const realtime: RealtimeService = app.get(RealtimeService);
      const outcome = await realtime.user('ann').emit('invoice.paid', { id: 7 });
      expect(outcome).toMatchObject({ ok: true });
      for (const device of devices.slice(0, 2))
        expect(await device.frame('invoice.paid')).toEqual({ event: 'invoice.paid', data: { id: 7 } });
      await devices[2]?.request('$ping');
      expect(devices[2]?.received.some(({ event }) => event === 'invoice.paid')).toBe(false);
    } finally {
      await app.close();
    }
  });
});

function counts(received: readonly ReceivedFrame[]): readonly ReceivedFrame[] {
  return received.filter(({ event }) => event === 'count');
}

function storyOf(channel: string, received: readonly ReceivedFrame[]): readonly string[] {
  return counts(received)
    .filter((frame) => frame.channel === channel)
    .map(({ from, data }) => `${from} ${String(data)}`);
}

/** An application without gateways: a backend that only sends. */
async function startApplication(url: string): Promise<INestApplication> {
  @Module({
    imports: [
      RealtimeModule.forRoot({ auth: { jwt: { secret: JWT_SECRET } } }),
      RealtimeRedisModule.forRoot({ url }),
    ],
  })
  class Backend {}

  const app = await NestFactory.create(Backend, { logger: false });
  return app.init();
}

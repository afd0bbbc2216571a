import { openClient, type ReceivedFrame, type TestClient } from '@aerie/realtime/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type RunningGateway, startGateway, tokenFor } from './support/gateway.js';
import { Clients, when } from './support/clients.js';
import { type RedisServer, startRedis } from './support/redis-server.js';
import { startTcpProxy } from './support/tcp-proxy.js';

const history = { size: 1_000, ttlMs: 60_000 };
const CHANNELS = JSON.stringify({
  channels: [
    { pattern: 'room:{id}', subscribe: 'authenticated', publish: 'authenticated', history },
    { pattern: 'user:{id}', history },
  ],
});

describe('the standalone gateway with histories', () => {
  let redis: RedisServer;
  let dying: RunningGateway;
  let staying: RunningGateway;
  const clients = new Clients();

  beforeAll(async () => {
    redis = await startRedis();
    const env = { REDIS_URL: redis.url, CHANNELS };
    [dying, staying] = await Promise.all([startGateway(env), startGateway(env)]);
  });
  afterAll(async () => {
    clients.closeAll();
    await Promise.all([dying?.stop(), staying?.stop()]);
    await redis?.stop();
  });

  async function publish(channel: string, from: number, to: number): Promise<void> {
    for (let data = from; data <= to; data += 1)
      expect(await staying.api('publish', { channel, event: 'count', data })).toMatchObject({ offset: data });
  }

  it('lets a killed gateway’s clients go on at another one, in their own channel too', async () => {
    const { client, welcome } = await connect(dying, 'ann');
    const { data } = await client.request('$subscribe', { channel: 'room:1' });
    await publish('room:1', 1, 3);
    await publish('user:ann', 1, 2);
    await vi.waitFor(() => expect(countsOf(client.received)).toEqual([1, 2, 3, 1, 2]));
    await dying.stop();
    await client.closed;
    await publish('room:1', 4, 6);
    await publish('user:ann', 3, 4);
    const back = await connect(staying, 'ann');
    expect(back.welcome.channels).toEqual({ 'user:ann': { ...welcome.channels['user:ann'], offset: 4 } });
    const room = { ...(data as object), offset: 3 };
    const own = { ...welcome.channels['user:ann'], offset: 2 };
    expect(await missed(back.client, 'room:1', room)).toEqual([4, 5, 6]);
    expect(await missed(back.client, 'user:ann', own)).toEqual([3, 4]);
    await publish('room:1', 7, 7);
    expect(await back.client.frame('count')).toMatchObject({ data: 7, offset: 7 });
    expect(await staying.metric('aerie_recoveries_total{outcome="recovered"}')).toBe(2);
  });

  it('brings what a reply of 256 KiB has no room for right behind it, to a plain client and to the SDK', async () => {
    const { client } = await connect(staying, 'bob');
    const { data: begun } = await client.request('$subscribe', { channel: 'room:large' });
    const network = await startTcpProxy(staying.port);
    const sdk = await clients.open(`ws://127.0.0.1:${network.port}/ws`, { token: () => tokenFor('cid') });
    const heard: unknown[] = [];
    const room = sdk.channel('room:large');
    room.onResync((resync) => heard.push(resync));
    room.on('say', (_data, { offset }) => heard.push(offset));
    await room.subscribe();
    network.setMode('cut');
    await when(sdk, 'waiting');

    const text = 'x'.repeat(1_024);
    const publishTo = async (from: number, to: number): Promise<void> => {
      for (let offset = from; offset <= to; offset += 1)
        await staying.api('publish', { channel: 'room:large', event: 'say', data: text });
    };
    await publishTo(1, 400);
    const back = await connect(staying, 'bob');
    const asked = back.client.request('$subscribe', { channel: 'room:large', position: begun });
    network.setMode('pass');
    const publishing = publishTo(401, 420);
    const reply = await asked;
    await publishing;

    const { recovered, offset, publications } = reply.data as {
      recovered: boolean;
      offset: number;
      publications: ReceivedFrame[];
    };
    expect(recovered).toBe(true);
    expect(Buffer.byteLength(JSON.stringify(reply))).toBeLessThanOrEqual(256 * 1_024);
    expect(publications.at(-1)).toMatchObject({ offset });
    const all = Array.from({ length: 420 }, (_, index) => index + 1);
    const got = (): unknown[] =>
      [...publications, ...back.client.received.filter(({ event }) => event === 'say')].map(
        (frame) => frame.offset,
      );
    await vi.waitFor(() => expect(got()).toHaveLength(420), { timeout: 15_000 });
    expect(got()).toEqual(all);
    await vi.waitFor(() => expect(heard).toHaveLength(420), { timeout: 15_000 });
    expect(heard).toEqual(all);
    await network.close();
  });

  it('reads pages over the server API', async () => {
    await publish('room:api', 1, 5);
    const page = await staying.api('history?channel=room:api&after=2&limit=2');
    expect(page).toMatchObject({
      channel: 'room:api',
      offset: 5,
      publications: [
        { event: 'count', channel: 'room:api', data: 3, offset: 3 },
        { data: 4, offset: 4 },
      ],
    });
    await expect(staying.api('history?channel=lobby')).rejects.toThrow('404');
  });
});

async function connect(gateway: RunningGateway, user: string) {
  const client = await openClient(gateway.ws(), { token: tokenFor(user) });
  const { data } = await client.frame('$welcome');
  return { client, welcome: data as { channels: Record<string, object> } };
}

function countsOf(frames: readonly ReceivedFrame[]): unknown[] {
  return frames.filter(({ event }) => event === 'count').map(({ data }) => data);
}

async function missed(client: TestClient, channel: string, position: object): Promise<unknown[]> {
  const { data } = await client.request('$subscribe', { channel, position });
  const { recovered, publications } = data as { recovered: boolean; publications: ReceivedFrame[] };
  expect(recovered).toBe(true);
  return countsOf(publications);
}

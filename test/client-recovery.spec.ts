import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { RealtimeClient } from '@aerie/client';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { Clients, type Events, story, when } from './support/clients.js';
import { nowSeconds, type RunningGateway, startGateway, tokenFor } from './support/gateway.js';
import { startTcpProxy, type TcpProxy } from './support/tcp-proxy.js';

const ENV = {
  CHANNELS: JSON.stringify({
    channels: [{ pattern: 'room:{id}', subscribe: 'authenticated', publish: 'authenticated' }],
  }),
  REDIS_PREFIX: `recovery-${randomUUID()}:`,
  HEARTBEAT_INTERVAL_MS: '1000',
  HEARTBEAT_TIMEOUT_MS: '1000',
  DRAIN_WINDOW_MS: '3000',
};

const clients = new Clients();
const gateways: RunningGateway[] = [];
let front: TcpProxy;
let steady: RunningGateway;

async function start(env: Readonly<Record<string, string>> = {}): Promise<RunningGateway> {
  const gateway = await startGateway({ ...ENV, REDIS_URL: inject('redisUrl'), ...env });
  gateways.push(gateway);
  return gateway;
}

beforeAll(async () => {
  steady = await start();
  front = await startTcpProxy(steady.port);
});
afterEach(() => {
  clients.closeAll();
  vi.restoreAllMocks();
  front.setMode('pass');
  front.setTarget(steady.port);
});
afterAll(async () => {
  await front.close();
  await Promise.all(gateways.map((gateway) => gateway.stop()));
});

const token = (): string => tokenFor('alice');

/** Connected through the proxy, which stands for a load balancer. */
function open(options = { token }): Promise<RealtimeClient<Events>> {
  return clients.open(`ws://127.0.0.1:${front.port}/ws`, options);
}

async function connectedAgain(client: RealtimeClient<Events>): Promise<void> {
  await when(client, 'waiting');
  await when(client, 'open');
}

describe('a server that drains', () => {
  it('hands its clients over: they come back elsewhere when told, subscribed, and miss nothing from then on', async () => {
    const leaving = await start();
    front.setTarget(leaving.port);
    const client = await open();
    const states = story(client);
    const room = client.channel('room:drain');
    const heard: number[] = [];
    room.on('say', (data) => heard.push(data));
    await room.subscribe();

    const publisher = await clients.open(steady.ws(), { token: () => tokenFor('publisher') });
    const published = { last: 0, since: 0, over: false };
    const publishing = (async () => {
      for (; !published.over; await sleep(10))
        await publisher.channel('room:drain').publish('say', (published.last += 1));
    })();
    room.onState(({ status }) => {
      if (status === 'subscribed') published.since = published.last + 1;
    });

    const drainedAt = performance.now();
    await fetch(`http://127.0.0.1:${leaving.internalPort}/internal/drain`, { method: 'POST' });
    front.setTarget(steady.port);
    const { cause } = await when(client, 'waiting');
    expect(cause).toEqual({ code: 1001, reason: 'going away' });
    await when(client, 'open');
    expect(performance.now() - drainedAt).toBeGreaterThan(700);
    await room.subscribe();
    await vi.waitFor(() => expect(heard.at(-1)).toBeGreaterThan(published.since + 20), { timeout: 5_000 });
    published.over = true;
    await publishing;
    await vi.waitFor(() => expect(heard.at(-1)).toBe(published.last));

    const kept = heard.filter((number) => number >= published.since);
    expect(published.since).toBeGreaterThan(1);
    expect(kept).toEqual(Array.from(kept, (_, index) => published.since + index));
    expect(states.map(({ status }) => status)).toEqual(['waiting', 'connecting', 'open']);
  });

  it('tells who knocks meanwhile: 503', async () => {
    const leaving = await start({ DRAIN_WINDOW_MS: '60000' });
    await clients.open(leaving.ws(), { token });
    await fetch(`http://127.0.0.1:${leaving.internalPort}/internal/drain`, { method: 'POST' });
    const late = clients.create(leaving.ws(), { token });
    late.connect();
    const { cause, retryInMs } = await when(late, 'waiting');
    expect(cause).toMatchObject({ reason: 'draining', error: { code: 'draining' } });
    expect(retryInMs).toBeGreaterThanOrEqual(1_000);
  });
});

describe('a server that is gone', () => {
  it('is looked for with back-off, and found elsewhere', async () => {
    const dying = await start();
    front.setTarget(dying.port);
    const client = await open();
    await client.channel('room:kill').subscribe();
    const states = story(client);
    await dying.stop();
    expect((await when(client, 'waiting')).cause.code).toBe(1006);
    await vi.waitFor(() => expect(waits(states)).toHaveLength(3), { timeout: 10_000 });
    for (const [index, { retryInMs, attempt }] of waits(states).entries()) {
      expect(attempt).toBe(index + 2);
      expect(retryInMs).toBeLessThanOrEqual(500 * 2 ** index);
    }
    front.setTarget(steady.port);
    await when(client, 'open');
    await vi.waitFor(() => expect(client.channel('room:kill').state.status).toBe('subscribed'));
  });

  it('without a word is noticed by its silence', async () => {
    const client = await open();
    front.setMode('blackhole');
    const silentAt = performance.now();
    expect((await when(client, 'waiting')).cause).toEqual({ code: 1006, reason: 'no answer' });
    expect(performance.now() - silentAt).toBeLessThan(3_000);
    front.setMode('pass');
    await when(client, 'open');
  });
});

describe('a session', () => {
  it('that its server ends for good stops the client', async () => {
    const client = await open({ token: () => tokenFor('banned') });
    await steady.api('disconnect', { user: 'banned' });
    const { cause } = await when(client, 'stopped');
    expect(cause).toEqual({ code: 4403, reason: 'disconnected' });
  });

  it('that may come back does so with a new token', async () => {
    let fetched = 0;
    const fresh = (): string => tokenFor('returns', { jti: `returns-${(fetched += 1)}` });
    const client = await open({ token: fresh });
    const states = story(client);
    await steady.api('disconnect', { user: 'returns', reconnect: true });
    await connectedAgain(client);
    await steady.api('revoke', { jti: 'returns-2' });
    await connectedAgain(client);
    expect(fetched).toBe(3);
    expect(waits(states).map(({ cause }) => cause.code)).toEqual([4401, 4401]);
  });

  it('is renewed before it ends, and outlives its first token', async () => {
    const ends: number[] = [];
    const client = await open({
      token: () => {
        ends.push(nowSeconds() + 3);
        return tokenFor('alice', { exp: ends.at(-1) });
      },
    });
    const states = story(client);
    const ticketed = await clients.open(steady.ws(), {
      ticket: () => steady.ticket(tokenFor('bob', { exp: nowSeconds() + 3 })),
    });
    const ticketedStates = story(ticketed);
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(((ends[0] ?? 0) + 2) * 1_000), {
      timeout: 8_000,
    });
    expect(ends.length).toBeGreaterThan(1);
    expect([...states, ...ticketedStates]).toEqual([]);
    await client.channel('room:renewed').publish('say', 1);
  });
});

it('leaves nothing behind that would hold its process, once closed', async () => {
  const program = `
    import { RealtimeClient } from '@aerie/client';
    const client = new RealtimeClient(${JSON.stringify(steady.ws())}, { token: () => ${JSON.stringify(token())} });
    client.onError(() => undefined);
    client.request('unheard').catch(() => undefined);
    await client.channel('room:end').subscribe();
    for (let count = 0; count < 150; count += 1) client.send('flood');
    client.close();
    console.log(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length);`;
  const sources = fileURLToPath(new URL('support/typescript-sources.mjs', import.meta.url));
  const flags = ['--conditions=@aerie/source', '--import', sources, '--input-type=module', '--eval', program];
  const { stdout } = await promisify(execFile)(process.execPath, flags, { timeout: 25_000 });
  expect(stdout).toBe('0\n');
});

describe('a client with much to say', () => {
  const rooms = Array.from({ length: 128 }, (_, number) => `room:many-${number}`);

  it('brings 128 channels and 100 waiting messages through a reconnect at once, within the limits', async () => {
    const client = await open();
    const heard: number[] = [];
    for (const room of rooms) client.channel(room).on('say', (data) => heard.push(data));
    await Promise.all(rooms.map((room) => client.channel(room).subscribe()));
    const states = story(client);
    front.setMode('cut');
    await when(client, 'waiting');
    const publishing = Array.from({ length: 100 }, (_, number) =>
      client.channel(rooms[number] ?? '').publish('say', number),
    );
    front.setMode('pass');
    expect(await Promise.all(publishing)).toHaveLength(100);
    await vi.waitFor(() => expect(heard).toHaveLength(100));
    expect(heard.toSorted((a, b) => a - b)).toEqual([...heard.keys()]);
    expect(waits(states).map(({ cause }) => cause.code)).toEqual(waits(states).map(() => 1006));
    expect(rooms.filter((room) => client.channel(room).state.status !== 'subscribed')).toEqual([]);
  });

  it('finds the pace of a server that takes less', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    const strict = await start({ MESSAGES_PER_SECOND: '20', MESSAGES_BURST: '30' });
    const client = clients.create(strict.ws(), { token });
    const states = story(client);
    for (const room of rooms.slice(0, 40)) client.channel(room).on('say', () => undefined);
    await Promise.all(rooms.slice(0, 40).map((room) => client.channel(room).subscribe()));
    const closes = waits(states).map(({ cause }) => cause.code);
    expect(closes.length).toBeLessThan(6);
    expect(closes).toEqual(closes.map(() => 4429));
  });
});

function waits(states: ReturnType<typeof story>) {
  return states.filter((state) => state.status === 'waiting');
}

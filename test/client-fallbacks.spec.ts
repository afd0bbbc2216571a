import { setTimeout as sleep } from 'node:timers/promises';
import { RealtimeError, type RealtimeClient, type RealtimeOptions } from '@aerie/client';
import { fallbacks, longPolling, sse } from '@aerie/client/fallbacks';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Clients, type Events, story, when } from './support/clients.js';
import { nowSeconds, type RunningGateway, tokenFor } from './support/gateway.js';
import { GatewayPair } from './support/gateway-pair.js';
import { HttpFront } from './support/http-front.js';

const WAIT = { timeout: 20_000 };
const clients = new Clients();
let pair: GatewayPair;
let first: RunningGateway;
let second: RunningGateway;
let front: HttpFront;

beforeAll(async () => {
  pair = await GatewayPair.start({ HEARTBEAT_INTERVAL_MS: '1000', HEARTBEAT_TIMEOUT_MS: '2000' });
  ({ first, second } = pair);
  front = await HttpFront.start(first.port);
});
afterEach(() => {
  clients.closeAll();
  front.upgrades = 'pass';
  front.missing = [];
  front.target = first.port;
  front.seen.length = 0;
});
afterAll(async () => {
  await front?.stop();
  await pair?.stop();
});

function memory(): Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> {
  const items = new Map<string, string>();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  };
}

const TRANSPORTS = [sse(), longPolling()];

function open(
  options: RealtimeOptions,
  transport: (typeof TRANSPORTS)[number] = sse(),
): Promise<RealtimeClient<Events>> {
  return clients.open(front.ws, {
    fallbacks: fallbacks({ storage: memory(), transports: [transport] }),
    ...options,
  });
}

const token = (): string => tokenFor('alice');

describe('where WebSockets are not let through', () => {
  it.each(['reset', 'cut'] as const)('connects by server-sent events: %s', async (upgrades) => {
    front.upgrades = upgrades;
    const client = await open({ token });
    expect(client.state).toMatchObject({ welcome: { transport: 'sse', user: 'alice' } });
  });

  it.each([
    ['was cut', () => front.cut()],
    ['the application closed', (client: RealtimeClient<Events>) => (client.close(), client.connect())],
  ])(
    'is a WebSocket again behind a connection that %s, once the moment is over and they get through',
    async (_how, end) => {
      front.upgrades = 'reset';
      const over = { ...memory(), getItem: () => null };
      const client = await open({ token, fallbacks: fallbacks({ storage: over, transports: [sse()] }) });
      expect(client.state).toMatchObject({ welcome: { transport: 'sse' } });
      front.upgrades = 'pass';
      end(client);
      const there = { status: 'open', welcome: { transport: 'websocket' } };
      await vi.waitFor(() => expect(client.state).toMatchObject(there), WAIT);
    },
  );

  it.each(TRANSPORTS)(
    'does by $name all that it does by WebSocket, with a ticket as well',
    async (transport) => {
      front.upgrades = 'reset';
      const client = await open({ ticket: () => first.ticket(tokenFor('bob')) }, transport);
      expect(client.state).toMatchObject({ welcome: { transport: transport.name } });
      const name = `room:all-${transport.name}`;
      const room = client.channel(name);
      const heard: number[] = [];
      room.on('say', (data) => heard.push(data));
      expect(await room.subscribe()).toMatchObject({ channel: name, offset: 0 });
      for (const count of [1, 2, 3]) await room.publish('say', count);
      await vi.waitFor(() => expect(heard).toEqual([1, 2, 3]), WAIT);
      await room.unsubscribe();
      await expect(client.channel('closed:1').subscribe()).rejects.toMatchObject({ code: 'forbidden' });
      // Calls land on whichever node: the connection stays where it is.
      front.target = second.port;
      await client.channel(name).publish('say', 4);
      expect(client.state.status).toBe('open');
    },
  );

  it.each(TRANSPORTS)('stays open by $name while nothing is said, and says goodbye', async (transport) => {
    front.upgrades = 'reset';
    await vi.waitFor(async () => expect(await first.connections()).toBe(0), WAIT);
    const client = await open({ token }, transport);
    await sleep(4_000);
    expect(client.state.status).toBe('open');
    expect(await first.connections()).toBe(1);
    client.close();
    await vi.waitFor(async () => expect(await first.connections()).toBe(0), WAIT);
  });
});

describe('a token that ends before its session', () => {
  it.each(TRANSPORTS)('is replaced by another one, and nothing else, by $name', async (transport) => {
    front.upgrades = 'reset';
    let asked = 0;
    const session_exp = nowSeconds() + 3_600;
    const short = (): string => {
      asked += 1;
      return tokenFor('alice', { exp: nowSeconds() + 1, session_exp });
    };
    const client = await open({ token: short }, transport);
    const states = story(client);
    const before = asked;
    const room = client.channel(`room:short-${transport.name}`);
    await vi.waitFor(
      async () => {
        await room.publish('say', 1);
        expect(asked).toBeGreaterThan(before);
      },
      { timeout: 20_000, interval: 500 },
    );
    await room.publish('say', 2);
    expect(states).toEqual([]);
  });
});

describe('a channel with a history', () => {
  it.each(TRANSPORTS)('brings everything once and in order, over $name and any node', async (transport) => {
    const client = await open({ token }, transport);
    expect(client.state).toMatchObject({ welcome: { transport: 'websocket' } });
    const heard: number[] = [];
    const channel = `room:moves-${transport.name}`;
    const room = client.channel(channel);
    room.on('say', (data) => heard.push(data));
    const resyncs: unknown[] = [];
    room.onResync((resync) => resyncs.push(resync));
    await room.subscribe();
    let last = 0;
    const published = { over: false };
    const publishing = (async () => {
      for (; !published.over; await sleep(10))
        await second.api('publish', { channel, event: 'say', data: (last += 1) });
    })();
    for (const [upgrades, target] of [
      ['reset', second],
      ['reset', first],
      ['reset', second],
    ] as const) {
      const until = last + 20;
      await vi.waitFor(() => expect(heard.at(-1)).toBeGreaterThan(until), WAIT);
      front.upgrades = upgrades;
      front.target = target.port;
      front.cut();
      const there = { status: 'open', welcome: { transport: transport.name } };
      await vi.waitFor(() => expect(client.state).toMatchObject(there), WAIT);
    }
    published.over = true;
    await publishing;
    await vi.waitFor(() => expect(heard.at(-1)).toBe(last), WAIT);
    expect(heard).toEqual(Array.from({ length: last }, (_, index) => index + 1));
    expect(resyncs).toEqual([]);
  });
});

describe('a refusal', () => {
  it('is none of the transport: no fallback is tried', async () => {
    const client = clients.create(front.ws, {
      token: () => 'nonsense',
      tokenVia: 'subprotocol',
      fallbacks: fallbacks({ storage: memory() }),
    });
    client.connect();
    const { cause } = await when(client, 'stopped');
    expect(cause.reason).toBe('unauthenticated');
    expect(front.seen.filter((one) => /GET .*(sse|poll)/.test(one))).toEqual([]);
  });

  it('ends a fallback as it would end a WebSocket', async () => {
    front.upgrades = 'reset';
    const client = clients.create(front.ws, {
      token: () => {
        throw new RealtimeError({ code: 'forbidden', message: 'signed out' });
      },
      fallbacks: fallbacks({ storage: memory() }),
    });
    client.connect();
    expect((await when(client, 'stopped')).cause.reason).toBe('forbidden');
    expect(front.seen).toEqual([]);
  });
});

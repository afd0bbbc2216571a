import { setTimeout as sleep } from 'node:timers/promises';
import type { RealtimeClient, RealtimeOptions } from '@aerie/client';
import { fallbacks, longPolling, sse } from '@aerie/client/fallbacks';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Clients, type Events } from './support/clients.js';
import { type RunningGateway, tokenFor } from './support/gateway.js';
import { GatewayPair } from './support/gateway-pair.js';
import { type Nginx, type NginxConfiguration, startNginx } from './support/nginx.js';

const WAIT = { timeout: 20_000 };
/** None of them lets a WebSocket through. */
const CONFIGURATIONS = ['closed', 'bare'] as const satisfies readonly NginxConfiguration[];
const FALLBACKS = [sse(), longPolling()];
const BATCH_BYTES = 256 * 1_024;

const clients = new Clients();
let pair: GatewayPair;
let first: RunningGateway;
let second: RunningGateway;
const proxies = new Map<NginxConfiguration, Nginx>();

beforeAll(async () => {
  pair = await GatewayPair.start();
  ({ first, second } = pair);
  for (const configuration of CONFIGURATIONS)
    proxies.set(configuration, await startNginx(configuration, [first.port, second.port]));
});
afterEach(() => clients.closeAll());
afterAll(async () => {
  await Promise.all([...proxies.values()].map((nginx) => nginx.stop()));
  await pair?.stop();
});

describe.each(CONFIGURATIONS)('the SDK behind an nginx without WebSockets (%s)', (configuration) => {
  const proxy = (): Nginx => proxies.get(configuration) as Nginx;

  it('falls back to server-sent events, by token and by ticket', async () => {
    for (const credential of [{ token }, { ticket: () => second.ticket(token()) }]) {
      const client = await clients.open(address(proxy()), { ...credential, fallbacks: fallbacks(fresh()) });
      expect(client.state).toMatchObject({ welcome: { transport: 'sse' } });
    }
  });

  it.each(FALLBACKS)(
    'says and hears everything by $name, whichever gateway a request meets',
    async (kind) => {
      const client = await open(proxy(), kind);
      const channel = `room:says-${configuration}-${kind.name}`;
      const heard: number[] = [];
      const room = client.channel(channel);
      room.on('say', (data) => heard.push(data));
      await room.subscribe();
      for (const count of [1, 2, 3, 4]) {
        await room.publish('say', count);
        // No buffer waits for more.
        await vi.waitFor(() => expect(heard).toHaveLength(count), WAIT);
      }
      expect(heard).toEqual([1, 2, 3, 4]);
    },
  );

  it.each(FALLBACKS)('gets by $name more than any buffer holds', async (kind) => {
    const client = await open(proxy(), kind);
    const channel = `room:large-${configuration}-${kind.name}`;
    const heard: unknown[] = [];
    const room = client.channel(channel);
    room.on('say', (data) => heard.push(data));
    await room.subscribe();
    const texts = Array.from({ length: 10 }, (_, index) => String(index).repeat(BATCH_BYTES / 4));
    for (const data of texts) await second.api('publish', { channel, event: 'say', data });
    await vi.waitFor(() => expect(heard).toHaveLength(texts.length), WAIT);
    expect(heard).toEqual(texts);
    expect(client.state.status).toBe('open');
  });

  it.each(FALLBACKS)('says goodbye by $name', async (kind) => {
    const client = await open(proxy(), kind);
    expect(await pair.connections()).toBe(1);
    client.close();
    await vi.waitFor(async () => expect(await pair.connections()).toBe(0), WAIT);
  });
});

describe('the SDK behind two gateways of which one is killed', () => {
  it(
    'goes on at the other one by each transport, and nothing is lost or comes twice',
    { timeout: 60_000 },
    async () => {
      const dying = await pair.startAnother();
      onTestFinished(() => dying.stop());
      const { node } = (await dying.api('info')) as { node: string };
      const followers: Follower[] = [];
      for (const configuration of ['deployed', 'closed', 'bare'] as const) {
        const between = await startNginx(configuration, [dying.port, second.port]);
        onTestFinished(() => between.stop());
        for (const kind of configuration === 'deployed' ? [undefined] : FALLBACKS)
          followers.push(await follow(await onNode(node, () => open(between, kind))));
      }
      const published = publishing();
      await everybodyHas(followers, 10);
      await dying.stop();
      await vi.waitFor(() => {
        for (const { client, transport } of followers) {
          expect(client.state).toMatchObject({ status: 'open', welcome: { transport } });
          expect(client.state).not.toMatchObject({ welcome: { node } });
        }
      }, WAIT);
      await everybodyHas(followers, published.last() + 10);
      const last = await published.end();
      await everybodyHas(followers, last);
      const all = Array.from({ length: last }, (_, index) => index + 1);
      for (const { heard, transport } of followers) expect(heard, transport).toEqual(all);
      expect(followers.flatMap(({ resyncs }) => resyncs)).toEqual([]);
    },
  );
});

interface Follower {
  readonly client: RealtimeClient<Events>;
  readonly transport: string;
  readonly heard: number[];
  readonly resyncs: unknown[];
}

async function follow(client: RealtimeClient<Events>): Promise<Follower> {
  const heard: number[] = [];
  const resyncs: unknown[] = [];
  const room = client.channel('room:killed');
  room.on('say', (data) => heard.push(data));
  room.onResync((resync) => resyncs.push(resync));
  await room.subscribe();
  const transport = client.state.status === 'open' ? client.state.welcome.transport : '';
  return { client, transport, heard, resyncs };
}

/** A client that this node has. The proxy may choose another one; clients that stay there make it choose anew. */
async function onNode(
  node: string,
  opened: () => Promise<RealtimeClient<Events>>,
): Promise<RealtimeClient<Events>> {
  for (;;) {
    const client = await opened();
    if (client.state.status === 'open' && client.state.welcome.node === node) return client;
  }
}

/** Publishes 1, 2, 3 … until it is ended. */
function publishing(): { readonly last: () => number; readonly end: () => Promise<number> } {
  let last = 0;
  const over = new AbortController();
  const all = (async () => {
    for (; !over.signal.aborted; await sleep(50))
      await second.api('publish', { channel: 'room:killed', event: 'say', data: (last += 1) });
  })();
  const end = async (): Promise<number> => {
    over.abort();
    await all;
    return last;
  };
  return { last: () => last, end };
}

async function everybodyHas(followers: readonly Follower[], count: number): Promise<void> {
  await vi.waitFor(() => {
    for (const { heard, transport } of followers)
      expect(heard.at(-1) ?? 0, transport).toBeGreaterThanOrEqual(count);
  }, WAIT);
}

function open(nginx: Nginx, kind?: (typeof FALLBACKS)[number]): Promise<RealtimeClient<Events>> {
  const options: RealtimeOptions =
    kind === undefined ? {} : { fallbacks: fallbacks({ ...fresh(), transports: [kind] }) };
  return clients.open(address(nginx), { token, ...options });
}

/** Nothing is remembered from one client to the next. */
function fresh() {
  return { storage: { getItem: () => null, setItem: () => undefined, removeItem: () => undefined } };
}

function address({ port }: Nginx): string {
  return `ws://127.0.0.1:${port}/ws`;
}

function token(): string {
  return tokenFor('ann');
}

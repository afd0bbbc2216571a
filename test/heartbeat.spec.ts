import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { openClient, type TestClient } from '@aerie/realtime/testing';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { type RunningGateway, startGateway, tokenFor } from './support/gateway.js';
import { inside } from './support/inside.js';
import { createNamespace } from './support/network-namespace.js';
import { killProcess } from './support/redis-server.js';
import { openRaw, type RawClient } from './support/raw-client.js';
import { startTcpProxy } from './support/tcp-proxy.js';

const NAMESPACE_CLIENT = fileURLToPath(new URL('support/namespace-client.mjs', import.meta.url));
const INTERVAL_MS = 3_000;
const LONG_INTERVAL_MS = 8_000;
const TIMEOUT_MS = 2_000;
/** The wheel turns once a second, and the machine is shared. */
const SLACK_MS = 1_500;
const GONE_WITHIN_MS = INTERVAL_MS + TIMEOUT_MS + SLACK_MS;
const STALL_MS = 15_000;
const EACH = 10;
const OWED_BYTES = 300_000;
const CHANNELS = JSON.stringify({ channels: [{ pattern: 'flood:{id}', subscribe: 'authenticated' }] });

const network = createNamespace();
if (network === undefined)
  process.stderr.write(
    'No network namespaces here (they need Linux and root): dropped packets are not tried.\n',
  );
const cleanups: (() => unknown)[] = [() => network?.remove()];

describe.concurrent('the heartbeat', () => {
  afterAll(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });

  async function start(env: Readonly<Record<string, string>> = {}): Promise<RunningGateway> {
    const gateway = await startGateway({
      HEARTBEAT_INTERVAL_MS: String(INTERVAL_MS),
      HEARTBEAT_TIMEOUT_MS: String(TIMEOUT_MS),
      CHANNELS,
      ...env,
    });
    cleanups.push(() => gateway.stop());
    return gateway;
  }

  it(
    'ends peers behind a connection that went silent, and none that lives',
    { timeout: 60_000 },
    async () => {
      const gateway = await start();
      const proxy = await startTcpProxy(gateway.port);
      cleanups.push(() => proxy.close());
      const living = await livingPeers(gateway);
      const dead = await Promise.all(
        Array.from({ length: EACH }, (_, index) => openRawOf(proxy.port, `dead-${index}`)),
      );
      expect(await gateway.connections()).toBe(living.size + dead.length);

      proxy.setMode('blackhole');
      await vi.waitFor(async () => expect(await gateway.connections()).toBe(living.size), {
        timeout: GONE_WITHIN_MS,
        interval: 100,
      });
      await sleep(2 * (INTERVAL_MS + TIMEOUT_MS));
      expect(living.lost()).toEqual([]);
      expect(await gateway.metric('aerie_heartbeat_timeouts_total')).toBe(EACH);
      expect(await gateway.metric('aerie_connections_closed_total{code="1006"}')).toBe(EACH);
    },
  );

  it('ends a peer that stopped reading, and none that reads slowly', { timeout: 60_000 }, async () => {
    // The first ping must find both of them behind already.
    const gateway = await start({ HEARTBEAT_INTERVAL_MS: String(LONG_INTERVAL_MS) });
    const [stopped, slow] = await Promise.all([
      openRawOf(gateway.port, 'stopped'),
      openRawOf(gateway.port, 'slow'),
    ]);
    stopped.send('$subscribe', { channel: 'flood:stopped' });
    slow.send('$subscribe', { channel: 'flood:slow' });
    await vi.waitFor(async () => expect(await gateway.metric('aerie_subscriptions')).toBe(4));

    stopped.socket.pause();
    await floodUntilOwed(gateway, 'flood:stopped', OWED_BYTES);
    const gone = vi.waitFor(async () => expect(await gateway.connections()).toBe(1), {
      timeout: LONG_INTERVAL_MS + TIMEOUT_MS + SLACK_MS,
      interval: 100,
    });
    cleanups.push(slow.readSlowly(128 * 1024, 50));
    const until = performance.now() + 2 * (LONG_INTERVAL_MS + TIMEOUT_MS);
    // It answers no ping; always behind, and never so far that it would be closed for it, it lives by what it reads.
    while (performance.now() < until && slow.isOpen) {
      await floodUntilOwed(gateway, 'flood:slow', 2 * OWED_BYTES);
      await sleep(20);
    }
    await gone;
    expect(slow.isOpen).toBe(true);
    expect(await gateway.metric('aerie_heartbeat_timeouts_total')).toBe(1);
    expect(await gateway.metric('aerie_slow_consumers_total')).toBe(0);
  });

  it.each([
    {
      stall: 'an event loop that stalls for 15 s',
      run: (gateway: RunningGateway): Promise<unknown> => inside(gateway, 'stall', { ms: STALL_MS }),
    },
    {
      stall: 'a process that is stopped for 15 s',
      run: async ({ child }: RunningGateway): Promise<void> => {
        child.kill('SIGSTOP');
        await sleep(STALL_MS);
        child.kill('SIGCONT');
      },
    },
  ])('loses nobody to $stall', { timeout: 90_000 }, async ({ run }) => {
    const gateway = await start();
    const living = await livingPeers(gateway);
    await sleep(INTERVAL_MS - 500);
    await run(gateway);
    await sleep(2 * (INTERVAL_MS + TIMEOUT_MS));
    expect(living.lost()).toEqual([]);
    expect(await gateway.connections()).toBe(living.size);
    expect(await gateway.metric('aerie_heartbeat_timeouts_total')).toBe(0);
  });

  it('answers $ping with the time of the server', async () => {
    const gateway = await start();
    const client = await openClient(gateway.ws(), { token: tokenFor('ann') });
    cleanups.push(() => client.socket.terminate());
    const before = Date.now();
    const { data } = await client.request('$ping');
    client.send('$ping');
    const pong = await client.frame('$pong');
    for (const { serverTime } of [data, pong.data] as { serverTime: number }[]) {
      expect(serverTime).toBeGreaterThanOrEqual(before);
      expect(serverTime).toBeLessThanOrEqual(Date.now());
    }
  });

  it.skipIf(network === undefined)(
    'ends peers whose packets are dropped on the way (needs network namespaces)',
    { timeout: 60_000 },
    async () => {
      const gateway = await start({ HOST: '0.0.0.0' });
      const [command = '', ...args] = network?.run ?? [];
      const child = spawn(command, [...args, process.execPath, NAMESPACE_CLIENT], {
        env: {
          ...process.env,
          URL: `ws://${network?.hostAddress}:${gateway.port}/ws`,
          TOKEN: tokenFor('afar'),
          COUNT: String(EACH),
        },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      cleanups.push(() => killProcess(child));
      if (child.stdout !== null) await once(child.stdout, 'data');
      await vi.waitFor(async () => expect(await gateway.connections()).toBe(EACH));
      await sleep(INTERVAL_MS + TIMEOUT_MS + SLACK_MS);
      expect(await gateway.connections()).toBe(EACH);

      network?.dropEverything();
      await vi.waitFor(async () => expect(await gateway.connections()).toBe(0), {
        timeout: GONE_WITHIN_MS,
        interval: 100,
      });
      expect(await gateway.metric('aerie_heartbeat_timeouts_total')).toBe(EACH);
    },
  );
});

/** Peers that live, each in its own way. */
interface Living {
  readonly size: number;
  /** The names of those that were lost. */
  lost(): readonly string[];
}

async function livingPeers(gateway: RunningGateway): Promise<Living> {
  const peers = new Map<string, TestClient>();
  for (let n = 0; n < EACH; n += 1) {
    peers.set(`answers pings ${n}`, await join(gateway, `answers-${n}`, true));
    peers.set(`only sends ${n}`, await join(gateway, `sends-${n}`, false));
  }
  const timer = setInterval(() => {
    for (const [name, peer] of peers) if (name.startsWith('only sends')) peer.send('$ping');
  }, INTERVAL_MS / 2);
  cleanups.push(() => clearInterval(timer));
  return {
    size: peers.size,
    lost: () =>
      [...peers].filter(([, { socket }]) => socket.readyState !== socket.OPEN).map(([name]) => name),
  };
}

async function join(gateway: RunningGateway, user: string, autoPong: boolean): Promise<TestClient> {
  const client = await openClient(gateway.ws(), { token: tokenFor(user), autoPong });
  cleanups.push(() => client.socket.terminate());
  await client.frame('$welcome');
  return client;
}

async function openRawOf(port: number, user: string): Promise<RawClient> {
  const client = await openRaw({ port, token: tokenFor(user) });
  cleanups.push(() => client.socket.destroy());
  return client;
}

const FLOOD_FRAME = 'x'.repeat(32 * 1024);
/** The gauge may be read before the last of them are in the outbox: twice as many must still fit into its 1 MiB. */
const FLOOD_AT_A_TIME = 4;
const MOST_FLOOD_BYTES = 64 * 2 ** 20;

function publish(gateway: RunningGateway, channel: string): Promise<unknown> {
  return gateway.api('publish', { channel, event: 'flood', data: FLOOD_FRAME });
}

/** Publishes until the node owes so much: the kernel takes no more. Rejects where that can't be reached. */
async function floodUntilOwed(gateway: RunningGateway, channel: string, owed: number): Promise<void> {
  for (let published = 0; (await gateway.metric('aerie_outbox_bytes')) < owed; published += FLOOD_AT_A_TIME) {
    if (published * FLOOD_FRAME.length > MOST_FLOOD_BYTES) throw new Error(`${channel} takes everything`);
    await Promise.all(Array.from({ length: FLOOD_AT_A_TIME }, () => publish(gateway, channel)));
  }
}

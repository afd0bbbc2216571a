import { openClient, type ReceivedFrame, type TestClient } from '@aerie/realtime/testing';
import { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it, vi } from 'vitest';
import { type RunningGateway, startGateway, tokenFor } from '../support/gateway.js';
import { type RedisServer, startRedis } from '../support/redis-server.js';
import { inBatches, report, scaled } from './scale.js';

const CLIENTS = scaled({ full: 10_000, short: 300 });
const AWAY_MS = scaled({ full: 2_000, short: 500 });
/** Who lost the same server comes back spread over the SDK's first window. */
const SPREAD_MS = 500;
const PAUSE_MS = scaled({ full: 200, short: 20 });
const CHANNEL = 'room:storm';
const CHANNELS = JSON.stringify({
  channels: [{ pattern: 'room:{id}', subscribe: 'authenticated', history: { size: 10_000, ttlMs: 600_000 } }],
});
const WAIT = { timeout: 60_000, interval: 20 };

let redis: RedisServer | undefined;
let gateway: RunningGateway | undefined;
afterEach(async () => {
  await gateway?.stop();
  await redis?.stop();
});

interface Member {
  readonly client: TestClient;
  /** What its first life got, once that is over. */
  readonly before: readonly unknown[];
  readonly recovery: {
    readonly recovered?: boolean;
    readonly offset?: number;
    readonly publications?: readonly ReceivedFrame[];
  };
}

it(
  `brings ${CLIENTS} clients that were cut off at once back to where they were`,
  { timeout: 300_000 },
  async () => {
    redis = await startRedis();
    gateway = await startGateway({ REDIS_URL: redis.url, CHANNELS, MAX_CONNECTIONS: '20000' });
    const running = gateway;
    const admin = new Redis(redis.url);
    const load = new Load(running);
    const members = await inBatches(CLIENTS, (n) => join(running, n));
    await vi.waitFor(() => expect(load.published).toBeGreaterThan(5), WAIT);

    for (const { client } of members) client.socket.terminate();
    await Promise.all(members.map(({ client }) => client.closed));
    await sleep(AWAY_MS);
    const before = { reads: await readsOf(admin), published: load.published };
    const tookMs: number[] = [];
    const startedAt = performance.now();
    const back = await Promise.all(
      members.map(async (first, n) => {
        await sleep(Math.random() * SPREAD_MS);
        const member = await join(running, n, first);
        tookMs.push(performance.now() - startedAt);
        return member;
      }),
    );
    // Each publication looks at the oldest entry once; the rest are readings.
    const reads = (await readsOf(admin)) - before.reads - (load.published - before.published);
    await vi.waitFor(() => expect(load.published).toBeGreaterThan(publishedAt(back) + 2), WAIT);
    const published = await load.stop();
    admin.disconnect();

    const all = Array.from({ length: published }, (_, index) => index + 1);
    for (const { client, before: first, recovery } of back) {
      expect(recovery.recovered).toBe(true);
      await vi.waitFor(() => expect(client.received.at(-1)?.data).toBe(published), WAIT);
      const got = [...first, ...countsOf(recovery.publications ?? []), ...countsOf(client.received)];
      expect(got).toEqual(all.slice(-got.length));
    }
    const sorted = tookMs.toSorted((a, b) => a - b);
    const at = (share: number): string => `${Math.round(sorted[Math.floor(share * (CLIENTS - 1))] ?? 0)} ms`;
    report({ clients: CLIENTS, published, reads, 'back p50': at(0.5), p99: at(0.99) });
    expect(reads).toBeLessThan(200);
    for (const { client } of back) client.socket.terminate();
  },
);

/** The newest publication that a recovery brought. */
function publishedAt(members: readonly Member[]): number {
  return Math.max(...members.map(({ recovery }) => recovery.offset ?? 0));
}

/** Publishes all the time, each number after the last one is out. */
class Load {
  published = 0;
  readonly #ended = new AbortController();
  readonly #running: Promise<void>;

  constructor(running: RunningGateway) {
    this.#running = this.#run(running);
  }

  async stop(): Promise<number> {
    this.#ended.abort();
    await this.#running;
    return this.published;
  }

  async #run(running: RunningGateway): Promise<void> {
    while (!this.#ended.signal.aborted) {
      await running.api('publish', { channel: CHANNEL, event: 'count', data: this.published + 1 });
      this.published += 1;
      await sleep(PAUSE_MS);
    }
  }
}

async function join(running: RunningGateway, n: number, first?: Member): Promise<Member> {
  const client = await openClient(running.ws(), { token: tokenFor(`user-${n}`), timeoutMs: 60_000 });
  await client.frame('$welcome');
  const position = first && positionOf(first);
  const { data } = await client.request('$subscribe', { channel: CHANNEL, ...(position && { position }) });
  return {
    client,
    before: first === undefined ? [] : countsOf(first.client.received),
    recovery: data as Member['recovery'],
  };
}

/** Where a client stood when it was cut off: its last publication, or where it had joined. */
function positionOf({ client, recovery }: Member): object {
  const offset = client.received.findLast((frame) => frame.offset !== undefined)?.offset;
  return { ...recovery, ...(offset !== undefined && { offset }) };
}

function countsOf(frames: readonly ReceivedFrame[]): unknown[] {
  return frames.filter(({ event }) => event === 'count').map(({ data }) => data);
}

async function readsOf(admin: Redis): Promise<number> {
  return Number(/cmdstat_xrange:calls=(\d+)/.exec(await admin.info('commandstats'))?.[1] ?? 0);
}

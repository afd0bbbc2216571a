import { openClient, type TestClient } from '@aerie/realtime/testing';
import { Redis } from 'ioredis';
import { afterEach, expect, it, vi } from 'vitest';
import { type RunningGateway, startGateway, tokenFor } from '../support/gateway.js';
import { type RedisServer, startRedis } from '../support/redis-server.js';
import { inBatches, mib, report, scaled } from './scale.js';

const MEMBERS = scaled({ full: 10_000, short: 1_200 });
const WATCHERS = scaled({ full: 50, short: 5 });
const CHANGES = scaled({ full: 200, short: 10 });
const PAGE = 1_000;
const CHANNEL = 'room:crowd';
const CHANNELS = JSON.stringify({
  channels: [{ pattern: 'room:{id}', subscribe: 'authenticated', presence: true }],
});
const WAIT = { timeout: 120_000, interval: 20 };

interface Page {
  readonly version: number;
  readonly members: readonly { readonly user: string }[];
  readonly more?: boolean;
}

let redis: RedisServer | undefined;
let gateway: RunningGateway | undefined;
afterEach(async () => {
  await gateway?.stop();
  await redis?.stop();
});

it(`keeps who is in a channel of ${MEMBERS}`, { timeout: 300_000 }, async () => {
  redis = await startRedis();
  gateway = await startGateway({ REDIS_URL: redis.url, CHANNELS, MAX_CONNECTIONS: '20000' });
  const running = gateway;
  const admin = new Redis(redis.url);
  const memoryBefore = await memoryOf(admin);

  const startedAt = performance.now();
  const members = await inBatches(MEMBERS, (n) => join(running, `user-${n}`));
  const joinedMs = performance.now() - startedAt;
  await vi.waitFor(async () => expect(await running.metric('aerie_presence_unwritten')).toBe(0), WAIT);
  const writtenMs = performance.now() - startedAt;
  const redisBytes = (await memoryOf(admin)) - memoryBefore;

  const [reader] = members;
  if (reader === undefined) throw new Error('nobody is in the channel');
  const askedAt = performance.now();
  const users = await everyoneIn(reader);
  const readMs = performance.now() - askedAt;
  expect(new Set(users)).toEqual(new Set(members.map((_, n) => `user-${n}`)));
  expect(users).toHaveLength(MEMBERS);

  const watchers = await inBatches(WATCHERS, (n) => join(running, `watcher-${n}`, { presence: true }));
  const told: number[] = [];
  for (let n = 0; n < CHANGES; n += 1) {
    const at = performance.now();
    const visitor = await join(running, `visitor-${n}`);
    await Promise.all(watchers.map((watcher) => hears(watcher, `visitor-${n}`)));
    told.push(performance.now() - at);
    visitor.socket.terminate();
  }
  const sorted = told.toSorted((a, b) => a - b);
  const at = (share: number): string => `${Math.round(sorted[Math.floor(share * (CHANGES - 1))] ?? 0)} ms`;
  report({
    members: MEMBERS,
    joined: `${Math.round(joinedMs)} ms`,
    written: `${Math.round(writtenMs)} ms`,
    'all pages': `${Math.round(readMs)} ms`,
    Redis: mib(redisBytes),
    [`a join at ${WATCHERS} watchers p50`]: at(0.5),
    p99: at(0.99),
  });
  for (const { socket } of [...members, ...watchers]) socket.terminate();
  await vi.waitFor(async () => expect(await running.connections()).toBe(0), WAIT);
  admin.disconnect();
});

async function join(running: RunningGateway, user: string, more: object = {}): Promise<TestClient> {
  const client = await openClient(running.ws(), { token: tokenFor(user), timeoutMs: 60_000 });
  await client.frame('$welcome');
  await client.request('$subscribe', { channel: CHANNEL, ...more });
  return client;
}

async function everyoneIn(client: TestClient): Promise<string[]> {
  const users: string[] = [];
  for (let more = true; more;) {
    const after = users.at(-1);
    const { data } = await client.request('$presence', {
      channel: CHANNEL,
      limit: PAGE,
      ...(after !== undefined && { after }),
    });
    const page = data as Page;
    users.push(...page.members.map(({ user }) => user));
    more = page.more === true;
  }
  return users;
}

async function hears(watcher: TestClient, user: string): Promise<void> {
  await vi.waitFor(
    () => {
      const found = watcher.received.some(
        ({ event, data }) => event === '$join' && (data as { user: string }).user === user,
      );
      expect(found).toBe(true);
    },
    { timeout: 60_000, interval: 1 },
  );
}

async function memoryOf(admin: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await admin.info('memory'))?.[1] ?? 0);
}

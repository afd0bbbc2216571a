import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { startSentinel } from '../../../../test/support/redis-sentinel.js';
import { startRedis, type RedisServer } from '../../../../test/support/redis-server.js';
import { startTcpProxy, type TcpProxy } from '../../../../test/support/tcp-proxy.js';
import { BackplaneUnavailable } from '../publishing/backplane.js';
import { RedisBackplane, type RedisBackplaneOptions } from './redis-backplane.js';

const COMMAND_TIMEOUT_MS = 400;
const WAIT = { timeout: 15_000, interval: 10 };

/** Ends whatever a spec opened, last first. */
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of cleanups.splice(0).toReversed()) await end();
});

describe('the redis backplane while Redis misbehaves', () => {
  it('starts while Redis is away, refuses meanwhile, and works once it is there', async () => {
    const redis = await redisServer();
    await redis.kill();
    const node = await startNode({ source: { url: redis.url } });
    await expect(within(node.backplane.subscribe('room:1'))).rejects.toBeInstanceOf(BackplaneUnavailable);
    await expect(within(node.say('x'))).rejects.toBeInstanceOf(BackplaneUnavailable);
    expect((await node.backplane.probe(300)).up).toBe(false);
    await redis.restart();
    await eventually(() => node.backplane.subscribe('room:1'));
    await untilHeard(node, 'there');
  });

  it('survives kill -9 and a restart under load: values meanwhile, then everything flows and the gap is told', async () => {
    const redis = await redisServer();
    const [one, two] = [
      await startNode({ source: { url: redis.url } }),
      await startNode({ source: { url: redis.url } }),
    ];
    const channels = Array.from({ length: 1_200 }, (_, index) => `room:${index}`);
    await Promise.all(channels.map((channel) => two.backplane.subscribe(channel)));
    const load = startLoad(one, channels);
    await vi.waitFor(() => expect(two.texts.length).toBeGreaterThan(200), WAIT);
    await redis.kill();
    await vi.waitFor(() => expect(load.refused).toBeGreaterThan(20), WAIT);
    await redis.restart();
    // A slow machine may lose the first connection to a Redis that has just begun.
    await vi.waitFor(() => expect(Math.min(one.gaps, two.gaps)).toBeGreaterThan(0), WAIT);
    const { slowestMs, unexpected } = await load.stop();
    expect(unexpected).toEqual([]);
    expect(slowestMs).toBeLessThan(COMMAND_TIMEOUT_MS + 500);
    two.heard.length = 0;
    for (const channel of channels) await eventually(() => one.say('after', channel));
    await vi.waitFor(
      () => expect(new Set(two.heard.map(({ channel }) => channel)).size).toBe(channels.length),
      WAIT,
    );
    expect((await two.backplane.probe(2_000)).up).toBe(true);
  });

  it('answers within the command timeout while Redis is stopped in its tracks, and goes on when it wakes', async () => {
    const redis = await redisServer();
    const node = await startNode({ source: { url: redis.url } });
    await node.backplane.subscribe('room:1');
    redis.pause();
    const startedAt = performance.now();
    const refusals = await Promise.allSettled([
      node.say('x'),
      node.backplane.subscribe('room:2'),
      node.backplane.probe(300),
    ]);
    expect(performance.now() - startedAt).toBeLessThan(COMMAND_TIMEOUT_MS + 400);
    expect(refusals.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
    await sleep(3 * COMMAND_TIMEOUT_MS);
    redis.resume();
    await untilHeard(node, 'awake');
  });

  it('leaves no half-wanted channel behind when a subscribe() fails', async () => {
    const redis = await redisServer();
    const node = await startNode({ source: { url: redis.url } });
    await node.backplane.subscribe('room:2');
    redis.pause();
    await expect(within(node.backplane.subscribe('room:1'))).rejects.toBeInstanceOf(BackplaneUnavailable);
    redis.resume();
    const admin = adminOf(redis.url);
    await vi.waitFor(async () => expect(await admin.pubsub('CHANNELS', '*room:1*')).toEqual([]), WAIT);
    await eventually(() => node.say('unheard', 'room:1'));
    await untilHeard(node, 'heard', 'room:2');
    expect(node.texts).not.toContain('unheard');
  });

  it('subscribes everything again when only the subscriber is killed, and then tells of the gap', async () => {
    const redis = await redisServer();
    const node = await startNode({ source: { url: redis.url } });
    const channels = Array.from({ length: 1_000 }, (_, index) => `room:${index}`);
    await Promise.all(channels.map((channel) => node.backplane.subscribe(channel)));
    const admin = adminOf(redis.url);
    expect(await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')).toBe(1);
    await vi.waitFor(() => expect(node.gaps).toBe(1), WAIT);
    await Promise.all(channels.map((channel) => node.say('x', channel)));
    await vi.waitFor(() => expect(node.heard).toHaveLength(channels.length), WAIT);
  });

  it('keeps what was unsubscribed during an outage unsubscribed', async () => {
    const redis = await redisServer();
    const node = await startNode({ source: { url: redis.url } });
    await Promise.all(['room:1', 'room:2'].map((channel) => node.backplane.subscribe(channel)));
    await redis.kill();
    await eventually(async () => expect((await node.backplane.probe(300)).up).toBe(false));
    node.backplane.unsubscribe('room:1');
    await redis.restart();
    await vi.waitFor(() => expect(node.gaps).toBe(1), WAIT);
    await eventually(() => node.say('unheard', 'room:1'));
    await untilHeard(node, 'heard', 'room:2');
    expect(node.texts).not.toContain('unheard');
  });

  it('keeps a channel for a while that was left, and tells Redis then', async () => {
    const redis = await redisServer();
    const node = await startNode({ source: { url: redis.url }, lingerMs: 300 });
    const admin = adminOf(redis.url);
    const asked = async (): Promise<string | undefined> =>
      /cmdstat_subscribe:calls=(\d+)/.exec(await admin.info('commandstats'))?.[1];
    await node.backplane.subscribe('room:1');
    const before = await asked();
    node.backplane.unsubscribe('room:1');
    await eventually(() => node.say('unheard'));
    // Behind what was announced before, on the same connection.
    await node.backplane.probe(5_000);
    await node.backplane.subscribe('room:1');
    await untilHeard(node, 'back');
    expect(node.texts).not.toContain('unheard');
    expect(await asked()).toBe(before);

    node.backplane.unsubscribe('room:1');
    await vi.waitFor(async () => expect(await admin.pubsub('CHANNELS', '*room:1*')).toEqual([]), WAIT);
    await node.backplane.subscribe('room:1');
    await untilHeard(node, 'again');
  });

  it('gives half-open connections up and works over new ones', async () => {
    const { proxy, url } = await proxied();
    const node = await startNode({ source: { url }, silenceMs: 300 });
    await node.backplane.subscribe('room:1');
    proxy.setMode('blackhole');
    await expect(within(node.say('x'))).rejects.toBeInstanceOf(BackplaneUnavailable);
    await expect(within(node.backplane.subscribe('room:2'))).rejects.toBeInstanceOf(BackplaneUnavailable);
    await sleep(2 * COMMAND_TIMEOUT_MS);
    proxy.setMode('pass');
    await vi.waitFor(() => expect(node.gaps).toBeGreaterThan(0), WAIT);
    await untilHeard(node, 'through');
  });

  it('finds a subscriber that hears nothing while commands work, says so, and replaces its connection', async () => {
    const { proxy, url } = await proxied();
    const node = await startNode({ source: { url } });
    await node.backplane.subscribe('room:1');
    expect(proxy.silence('aerie-subscriber')).toBe(1);
    await node.say('lost');
    expect(await node.backplane.probe(200)).toEqual({ up: false, reason: 'announced, but not heard' });
    expect((await node.backplane.probe(200)).up).toBe(false);
    await vi.waitFor(async () => expect((await node.backplane.probe(500)).up).toBe(true), WAIT);
    expect(node.gaps).toBeGreaterThan(0);
    await node.say('heard');
    await vi.waitFor(() => expect(node.texts).toEqual(['heard']), WAIT);
  });

  it('notices the silence by itself', async () => {
    const { proxy, url } = await proxied();
    const node = await startNode({ source: { url }, silenceMs: 300 });
    await node.backplane.subscribe('room:1');
    expect(proxy.silence('aerie-subscriber')).toBe(1);
    await untilHeard(node, 'heard');
  });

  it('asks itself at once when commands go over a new connection: Redis may be another one by then', async () => {
    const { redis, proxy, url } = await proxied();
    const node = await startNode({ source: { url } });
    await node.backplane.subscribe('room:1');
    expect(proxy.silence('aerie-subscriber')).toBe(1);
    const admin = adminOf(redis.url);
    const clients = String(await admin.client('LIST')).split('\n');
    const id = /^id=(\d+)/.exec(clients.find((line) => line.includes('name=aerie-commands')) ?? '')?.[1];
    await admin.call('CLIENT', 'KILL', 'ID', id ?? '');
    // The silence alone would be noticed after 30 s.
    await untilHeard(node, 'heard');
    expect(node.gaps).toBeGreaterThan(0);
  });

  it('comes back after connections that are cut at once, again and again', async () => {
    const { proxy, url } = await proxied();
    const node = await startNode({ source: { url } });
    await node.backplane.subscribe('room:1');
    proxy.setMode('cut');
    await expect(within(eventuallyRefused(node))).resolves.toBeUndefined();
    await sleep(500);
    proxy.setMode('pass');
    await vi.waitFor(() => expect(node.gaps).toBe(1), WAIT);
    await untilHeard(node, 'back');
  });

  it.each([
    ['dies', (primary: RedisServer) => primary.kill()],
    ['stands still, its connections open', async (primary: RedisServer) => primary.pause()],
  ])('follows a Sentinel failover where the primary %s: the replica is heard soon', async (_what, fail) => {
    const primary = await redisServer();
    const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', String(primary.port)] });
    cleanups.push(() => replica.stop());
    const admin = adminOf(primary.url);
    await eventually(async () => expect(await admin.info('replication')).toMatch(/state=online/));
    const sentinel = await startSentinel(primary.port);
    cleanups.push(() => sentinel.stop());
    const watcher = new Redis(sentinel.port, '127.0.0.1');
    cleanups.push(async () => watcher.disconnect());
    await eventually(async () => expect(await watcher.call('SENTINEL', 'REPLICAS', 'main')).toHaveLength(1));
    const node = await startNode({ source: { url: `redis+sentinel://127.0.0.1:${sentinel.port}/main` } });
    await node.backplane.subscribe('room:1');
    await untilHeard(node, 'before');
    await fail(primary);
    await vi.waitFor(() => untilHeard(node, 'after'), { timeout: 25_000, interval: 100 });
    expect(node.gaps).toBeGreaterThan(0);
  });

  it("turns Redis' own refusals into unavailable, without their text", async () => {
    const redis = await redisServer();
    const node = await startNode({ source: { url: redis.url } });
    const admin = adminOf(redis.url);
    await admin.config('SET', 'maxmemory', '1');
    await expect(node.say('secret text')).rejects.toThrow(/^Redis: OOM$/);
    await admin.config('SET', 'maxmemory', '0');
    await admin.replicaof('127.0.0.1', 1);
    await expect(node.say('secret text')).rejects.toThrow(/^Redis: READONLY$/);
    await admin.replicaof('NO', 'ONE');
    await eventually(() => node.say('x'));
  });

  it('drops what is no envelope of this release, and goes on', async () => {
    const redis = await redisServer();
    const node = await startNode({ source: { url: redis.url }, prefix: 'bad:' });
    await node.backplane.subscribe('room:1');
    await adminOf(redis.url).publish('bad:1:{room:1}:live', 'nonsense');
    await node.say('sense');
    await vi.waitFor(() => expect(node.texts).toEqual(['sense']), WAIT);
  });
});

describe('the connections of the redis backplane', () => {
  it("are its own: the application's client keeps its options and stays open", async () => {
    const redis = await redisServer();
    const client = new Redis(redis.url, {
      keyPrefix: 'app:',
      db: 3,
      stringNumbers: true,
      enableOfflineQueue: true,
    });
    cleanups.push(() => client.quit());
    const node = await startNode({ source: { client } });
    const other = await startNode({ source: { url: redis.url } });
    await Promise.all([node, other].map(({ backplane }) => backplane.subscribe('room:1')));
    await node.say('one');
    await other.say('two');
    for (const each of [node, other])
      await vi.waitFor(() => expect(each.texts.toSorted()).toEqual(['one', 'two']), WAIT);
    await node.backplane.close();
    expect(await client.set('key', 'value')).toBe('OK');
  });

  it('are gone after close(), also while Redis is away', async () => {
    const redis = await redisServer();
    const admin = adminOf(redis.url);
    const before = await connectionsOf(admin);
    const node = await startNode({ source: { url: redis.url } });
    expect(await connectionsOf(admin)).toBe(before + 2);
    await node.backplane.close();
    await vi.waitFor(async () => expect(await connectionsOf(admin)).toBe(before), WAIT);
    const lost = await startNode({ source: { url: redis.url } });
    await redis.kill();
    await within(lost.backplane.close());
    await redis.restart();
    await sleep(500);
    await vi.waitFor(async () => expect(await connectionsOf(admin)).toBe(before), WAIT);
  });
});

interface Node {
  readonly backplane: RedisBackplane;
  readonly heard: { channel: string; text: string }[];
  readonly texts: string[];
  readonly gaps: number;
  say(text: string, channel?: string): Promise<unknown>;
}

async function redisServer(): Promise<RedisServer> {
  const redis = await startRedis();
  cleanups.push(() => redis.stop());
  return redis;
}

async function proxied(): Promise<{ redis: RedisServer; proxy: TcpProxy; url: string }> {
  const redis = await redisServer();
  const proxy = await startTcpProxy(redis.port);
  cleanups.push(() => proxy.close());
  return { redis, proxy, url: `redis://127.0.0.1:${proxy.port}` };
}

function adminOf(url: string): Redis {
  const admin = new Redis(url);
  admin.on('error', () => undefined);
  cleanups.push(async () => admin.disconnect());
  return admin;
}

async function startNode(options: RedisBackplaneOptions): Promise<Node> {
  const backplane = new RedisBackplane({ commandTimeoutMs: COMMAND_TIMEOUT_MS, ...options });
  cleanups.push(() => backplane.close());
  const heard: Node['heard'] = [];
  let gaps = 0;
  await backplane.start({
    deliver: (channel, frame) => void heard.push({ channel, text: Buffer.from(frame).toString() }),
    gap: () => void (gaps += 1),
  });
  return {
    backplane,
    heard,
    get texts() {
      return heard.map(({ text }) => text);
    },
    get gaps() {
      return gaps;
    },
    say: (text, channel = 'room:1') =>
      backplane.announce({ channel, frame: Buffer.from(text), idempotencyKey: randomUUID() }),
  };
}

/** Announces all the time, noting how it went. */
function startLoad(
  node: Node,
  channels: readonly string[],
): { refused: number; stop(): Promise<{ slowestMs: number; unexpected: unknown[] }> } {
  const result = { refused: 0, slowestMs: 0, unexpected: [] as unknown[] };
  const load = { running: true };
  const announce = async (channel: string): Promise<void> => {
    const startedAt = performance.now();
    try {
      await node.say('load', channel);
    } catch (error) {
      result.refused += 1;
      if (!(error instanceof BackplaneUnavailable)) result.unexpected.push(error);
    }
    result.slowestMs = Math.max(result.slowestMs, performance.now() - startedAt);
  };
  const loop = (async () => {
    while (load.running) {
      await Promise.all(channels.slice(0, 20).map(announce));
      await sleep(5);
    }
  })();
  return {
    get refused() {
      return result.refused;
    },
    stop: async () => {
      load.running = false;
      await loop;
      return result;
    },
  };
}

function within<Value>(promise: Promise<Value>): Promise<Value> {
  const limit = sleep(COMMAND_TIMEOUT_MS + 600).then(() => {
    throw new Error('took longer than the command timeout');
  });
  return Promise.race([promise, limit]);
}

async function eventuallyRefused(node: Node): Promise<void> {
  for (;;) {
    try {
      await node.say('x', 'room:nobody');
    } catch {
      return;
    }
  }
}

function eventually<Value>(act: () => Promise<Value>): Promise<Value> {
  return vi.waitFor(act, { timeout: 15_000, interval: 50 });
}

/** What was announced while the subscriber was between two connections is lost: so it is said again until it is heard. */
async function untilHeard(node: Node, text: string, channel = 'room:1'): Promise<void> {
  await eventually(async () => {
    await node.say(text, channel);
    await vi.waitFor(() => expect(node.texts).toContain(text), { timeout: 300, interval: 10 });
  });
}

async function connectionsOf(admin: Redis): Promise<number> {
  const list = String(await admin.client('LIST'));
  return list.trim().split('\n').length;
}

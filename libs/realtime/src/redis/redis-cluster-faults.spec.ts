import { randomUUID } from 'node:crypto';
import { Cluster } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  type ClusterMember,
  type RedisCluster,
  startRedisCluster,
} from '../../../../test/support/redis-cluster.js';
import { startTcpProxy } from '../../../../test/support/tcp-proxy.js';
import { BackplaneUnavailable } from '../publishing/backplane.js';
import { RedisBackplane, type RedisBackplaneOptions } from './redis-backplane.js';
import { RedisHistory } from './redis-history.js';
import { RedisNodeDirectory } from './redis-node-directory.js';
import { RedisStoreConnection } from './redis-store-connection.js';

const COMMAND_TIMEOUT_MS = 400;
const WAIT = { timeout: 15_000, interval: 10 };
const LIMITS = { size: 1_000, ttlMs: 60_000 };
const CHANNELS = Array.from({ length: 60 }, (_, index) => `room:${index}`);

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of cleanups.splice(0).toReversed()) await end();
});

interface Node {
  readonly backplane: RedisBackplane;
  readonly heard: { channel: string; text: string }[];
  readonly gaps: number;
  say(channel: string, text: string): Promise<unknown>;
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
    get gaps() {
      return gaps;
    },
    say: (channel, text) =>
      backplane.announce({ channel, frame: Buffer.from(text), idempotencyKey: randomUUID() }),
  };
}

/** Says it in every channel, again where the outcome is unknown, until each was heard. */
async function untilHeardEverywhere(from: Node, to: Node, text: string): Promise<void> {
  const heard = (): Set<string> =>
    new Set(to.heard.filter((each) => each.text === text).map(({ channel }) => channel));
  await vi.waitFor(async () => {
    const missing = CHANNELS.filter((channel) => !heard().has(channel));
    await Promise.all(missing.map((channel) => from.say(channel, text)));
    await vi.waitFor(() => expect(heard().size).toBe(CHANNELS.length), { timeout: 300, interval: 5 });
  }, WAIT);
}

function liveKey(channel: string): string {
  return `aerie:1:{${channel}}:live`;
}

describe('the backplane on a cluster', () => {
  let cluster: RedisCluster;
  let one: Node;
  let two: Node;
  beforeAll(async () => {
    cluster = await startRedisCluster();
  });
  afterAll(() => cluster.stop());

  async function startTwo(): Promise<void> {
    [one, two] = [
      await startNode({ source: { url: cluster.url } }),
      await startNode({ source: { url: cluster.url } }),
    ];
    await Promise.all(CHANNELS.map((channel) => two.backplane.subscribe(channel)));
    await untilHeardEverywhere(one, two, 'before');
  }

  async function channelsOf(master: ClusterMember): Promise<readonly string[]> {
    const owners = await Promise.all(CHANNELS.map((channel) => cluster.ownerOf(liveKey(channel))));
    return CHANNELS.filter((_, index) => owners[index] === master);
  }

  it('hears each channel on the connection to its own master', async () => {
    await startTwo();
    for (const master of cluster.masters) {
      const live = (await channelsOf(master)).map(liveKey);
      const subscribed = (await master.admin.call('PUBSUB', 'SHARDCHANNELS', '*room*')) as string[];
      expect(subscribed.toSorted()).toEqual(live.toSorted());
    }
  });

  it('follows slots that move while it is in use, and tells of the gap', { timeout: 60_000 }, async () => {
    await startTwo();
    const [from, to] = cluster.masters as [ClusterMember, ClusterMember];
    const moving = (await channelsOf(from)).slice(0, 10);
    const load = startLoad(one);
    await cluster.moveSlots(moving.map(liveKey), to);
    await vi.waitFor(() => expect(two.gaps).toBeGreaterThan(0), WAIT);
    await untilHeardEverywhere(one, two, 'after');
    expect(await load.stop()).toEqual([]);
    const subscribed = (await to.admin.call('PUBSUB', 'SHARDCHANNELS', '*room*')) as string[];
    expect(subscribed).toEqual(expect.arrayContaining(moving.map(liveKey)));
    expect((await two.backplane.probe(2_000)).up).toBe(true);
  });

  it('refuses what is announced in a slot that is just moving, rather than lose it', async () => {
    await startTwo();
    const [from, to] = cluster.masters as [ClusterMember, ClusterMember];
    const channel = first((await channelsOf(from)).slice(-1));
    const history = new RedisHistory({ source: { url: cluster.url }, commandTimeoutMs: COMMAND_TIMEOUT_MS });
    cleanups.push(() => history.close());
    await history.start();
    const append = () =>
      history.append({ channel, frame: Buffer.from('x'), idempotencyKey: randomUUID(), limits: LIMITS });
    const before = await append();
    await vi.waitFor(() => expect(two.heard).toContainEqual({ channel, text: 'x' }), WAIT);
    two.heard.length = 0;
    await cluster.beginMove(liveKey(channel), to);
    await expect(one.say(channel, 'meanwhile')).rejects.toBeInstanceOf(BackplaneUnavailable);
    await expect(append()).rejects.toBeInstanceOf(BackplaneUnavailable);
    await cluster.moveSlots([liveKey(channel)], to);
    await untilHeardEverywhere(one, two, 'moved');
    const { epoch } = await append();
    await vi.waitFor(() => expect(two.heard).toContainEqual({ channel, text: 'x' }), WAIT);
    expect(epoch).not.toBe(before.epoch);
  });

  it('hears slots that went and came back before it looked', { timeout: 60_000 }, async () => {
    await startTwo();
    const [from, , to] = cluster.masters as [ClusterMember, ClusterMember, ClusterMember];
    const moving = (await channelsOf(from)).slice(0, 5).map(liveKey);
    await cluster.moveSlots(moving, to);
    await cluster.moveSlots(moving, from);
    await untilHeardEverywhere(one, two, 'back');
    const gaps = two.gaps;
    await untilHeardEverywhere(one, two, 'and stays');
    expect(gaps).toBeGreaterThan(0);
  });

  it('subscribes everything of a shard again when that connection is killed, and tells of the gap', async () => {
    await startTwo();
    const [master] = cluster.masters as [ClusterMember];
    expect(await master.admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')).toBe(2);
    await vi.waitFor(() => expect([one.gaps, two.gaps]).toEqual([1, 1]), WAIT);
    two.heard.length = 0;
    await Promise.all(CHANNELS.map((channel) => one.say(channel, 'x')));
    await vi.waitFor(() => expect(two.heard).toHaveLength(CHANNELS.length), WAIT);
  });

  it('finds one shard that is not heard while the others are, says so, and replaces its connection', async () => {
    const proxies = await Promise.all(cluster.masters.map(({ server }) => startTcpProxy(server.port)));
    cleanups.push(() => Promise.all(proxies.map((proxy) => proxy.close())));
    const natMap = Object.fromEntries(
      cluster.masters.map(({ server }, index) => [
        `127.0.0.1:${server.port}`,
        { host: '127.0.0.1', port: proxies[index]?.port ?? 0 },
      ]),
    );
    const client = new Cluster([{ host: '127.0.0.1', port: proxies[0]?.port ?? 0 }], { natMap });
    cleanups.push(() => client.quit());
    const node = await startNode({ source: { client } });
    await Promise.all(CHANNELS.map((channel) => node.backplane.subscribe(channel)));
    expect((await node.backplane.probe(2_000)).up).toBe(true);
    expect(proxies[1]?.silence('aerie-subscriber')).toBe(1);
    expect(await node.backplane.probe(300)).toEqual({ up: false, reason: 'announced, but not heard' });
    expect((await node.backplane.probe(300)).up).toBe(false);
    await vi.waitFor(async () => expect((await node.backplane.probe(500)).up).toBe(true), WAIT);
    expect(node.gaps).toBeGreaterThan(0);
    await untilHeardEverywhere(node, node, 'heard');
    expect(await client.set('key', 'value')).toBe('OK');
  });

  it('answers within the command timeout while a master stands still, and goes on when it wakes', async () => {
    await startTwo();
    const [master] = cluster.masters as [ClusterMember];
    const channel = first(await channelsOf(master));
    master.server.pause();
    const startedAt = performance.now();
    await expect(one.say(channel, 'x')).rejects.toBeInstanceOf(BackplaneUnavailable);
    expect(performance.now() - startedAt).toBeLessThan(COMMAND_TIMEOUT_MS + 400);
    expect((await one.backplane.probe(300)).up).toBe(false);
    master.server.resume();
    await untilHeardEverywhere(one, two, 'awake');
  });

  it('leaves no connection behind', async () => {
    const count = async (): Promise<number> => {
      const lists = await Promise.all(cluster.masters.map(({ admin }) => admin.call('CLIENT', 'LIST')));
      return lists.join('\n').match(/name=aerie/g)?.length ?? 0;
    };
    await vi.waitFor(async () => expect(await count()).toBe(0), WAIT);
    const node = await startNode({ source: { url: cluster.url } });
    expect(await count()).toBe(6);
    await node.backplane.close();
    await vi.waitFor(async () => expect(await count()).toBe(0), WAIT);
  });
});

describe('a cluster that loses a master, and the tail of what that one had', () => {
  it(
    'begins new epochs in that shard only, and every shard is heard again',
    { timeout: 90_000 },
    async () => {
      const cluster = await startRedisCluster({ replicas: true });
      cleanups.push(() => cluster.stop());
      const source = { url: cluster.url };
      const history = new RedisHistory({ source, commandTimeoutMs: COMMAND_TIMEOUT_MS });
      cleanups.push(() => history.close());
      await history.start();
      const stores = new RedisStoreConnection(source, COMMAND_TIMEOUT_MS);
      cleanups.push(() => stores.close());
      await stores.open();
      const directory = new RedisNodeDirectory(stores.client);
      const [one, two] = [await startNode({ source }), await startNode({ source })];
      await Promise.all(CHANNELS.map((channel) => two.backplane.subscribe(channel)));
      const append = (channel: string, frame: string) =>
        history.append({ channel, frame: Buffer.from(frame), idempotencyKey: randomUUID(), limits: LIMITS });
      const renew = (joins: boolean) => {
        const info = { node: 'one', connections: 0, users: 0, startedAt: 1, draining: false };
        return directory.renew({ info, fence: 'f', leaseMs: 60_000, joins });
      };

      const before = new Map(
        await Promise.all(
          CHANNELS.map(async (channel) => [channel, await append(channel, 'replicated')] as const),
        ),
      );
      const { origin } = await renew(true);
      expect((await renew(false)).origin).toBe(origin);
      const withLeases = await cluster.ownerOf('aerie:1:{nodes}:leases');
      const lost = first(cluster.masters.filter((master) => master !== withLeases));
      const owners = await Promise.all(CHANNELS.map((channel) => cluster.ownerOf(liveKey(channel))));
      await lost.admin.wait(1, 1_000);
      await cluster.cutReplication(lost);
      await Promise.all(CHANNELS.map((channel) => append(channel, 'the tail')));
      await cluster.failOver(lost);

      await vi.waitFor(async () => {
        const after = await Promise.all(CHANNELS.map((channel) => append(channel, 'after')));
        for (const [index, channel] of CHANNELS.entries()) {
          const isSame = after[index]?.epoch === before.get(channel)?.epoch;
          expect({ channel, isSame }).toEqual({ channel, isSame: owners[index] !== lost });
        }
      }, WAIT);
      for (const [index, channel] of CHANNELS.entries()) {
        const page = await history.read({ channel, limits: LIMITS, after: 0, limit: 10, maxBytes: 1_000 });
        const frames = page.entries.map(({ frame }) => Buffer.from(frame).toString());
        if (owners[index] === lost) expect(new Set(frames)).toEqual(new Set(['after']));
        else expect(frames.slice(0, 2)).toEqual(['replicated', 'the tail']);
      }
      // The leases, on another shard, are still there; that sessions may be lost is told all the same.
      await vi.waitFor(async () => {
        const renewal = await renew(false);
        expect(renewal.state).toBe('held');
        expect(renewal.origin).not.toBe(origin);
      }, WAIT);
      await vi.waitFor(() => expect(two.gaps).toBeGreaterThan(0), WAIT);
      await untilHeardEverywhere(one, two, 'again');
      expect((await two.backplane.probe(2_000)).up).toBe(true);
    },
  );
});

/** Announces all the time; what it can't tell of as `unavailable` is a fault. */
function startLoad(node: Node): { stop(): Promise<readonly unknown[]> } {
  const faults: unknown[] = [];
  const load = { running: true };
  const running = (async () => {
    while (load.running)
      await Promise.all(
        CHANNELS.map((channel) =>
          node.say(channel, 'load').catch((error: unknown) => {
            if (!(error instanceof BackplaneUnavailable)) faults.push(error);
          }),
        ),
      );
  })();
  return {
    stop: async () => {
      load.running = false;
      await running;
      return faults;
    },
  };
}

function first<Item>([item]: readonly Item[]): Item {
  if (item === undefined) throw new Error('there is none');
  return item;
}

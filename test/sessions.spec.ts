import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SessionEvent } from '@aerie/realtime';
import { openClient, UpgradeRefused } from '@aerie/realtime/testing';
import { Redis } from 'ioredis';
import { describe, type ExpectStatic, it, type TestContext, vi } from 'vitest';
import { startGateway, tokenFor } from './support/gateway.js';
import { type RedisServer, startRedis } from './support/redis-server.js';
import { SessionNode } from './support/session-node.js';
import { startTcpProxy } from './support/tcp-proxy.js';

const LEASE_MS = 2_000;
const SOON = { timeout: 5_000, interval: 25 };
/** From a death to its sweep: the lease, the margin, two sightings, and room for a busy machine. */
const SWEPT = { timeout: 20_000, interval: 50 };

class Cluster {
  readonly nodes: SessionNode[] = [];

  constructor(readonly redis: RedisServer) {}

  async start(name: string, env: Readonly<Record<string, string>> = {}): Promise<SessionNode> {
    const node = new SessionNode(name, { REDIS_URL: this.redis.url, LEASE_MS: `${LEASE_MS}`, ...env });
    this.nodes.push(node);
    return node.started();
  }

  /** What the applications of all nodes were told of a user, each event once, in the order of the store. */
  eventsOf(user: string): readonly SessionEvent[] {
    const told = this.nodes.flatMap(({ events }) => events).filter((event) => event.user === user);
    return [...new Map(told.map((event) => [event.id, event])).values()].toSorted((a, b) => a.at - b.at);
  }

  /** How often any node was told of an event. */
  timesTold(id: string): number {
    return this.nodes.flatMap(({ events }) => events).filter((event) => event.id === id).length;
  }

  async close(): Promise<void> {
    for (const node of this.nodes) node.resume();
    await Promise.all(this.nodes.map((node) => node.kill()));
    await this.redis.stop();
  }
}

describe.concurrent('sessions over several nodes', () => {
  async function clusterOf(
    { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
    names: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ) {
    const cluster = new Cluster(await startRedis());
    onTestFinished(() => cluster.close());
    const nodes = await Promise.all(names.map((name) => cluster.start(name, env)));
    const [first, second, third] = nodes;
    if (first === undefined || second === undefined) throw new Error('two nodes at least');
    return { cluster, first, second, third: third ?? second };
  }

  it(
    'knows a user’s connections on every node, and tells of each once',
    { timeout: 60_000 },
    async ({ expect, onTestFinished }) => {
      const { cluster, first, second } = await clusterOf({ onTestFinished }, ['one', 'two']);
      const phone = await first.connect('ann');
      await second.connect('ann');
      await vi.waitFor(async () => expect(await first.nodesOf('ann')).toEqual(['one', 'two']), SOON);
      expect(await second.nodesOf('ann')).toEqual(['one', 'two']);
      expect([await first.isOnline('ann'), await first.isOnline('nobody')]).toEqual([true, false]);

      await phone.close();
      await vi.waitFor(async () => expect(await second.nodesOf('ann')).toEqual(['two']), SOON);
      await vi.waitFor(() => expect(typesOf(cluster, 'ann')).toHaveLength(4), SOON);
      expect(typesOf(cluster, 'ann')).toEqual(['connected', 'online', 'connected', 'disconnected']);
      for (const { id } of cluster.eventsOf('ann')) expect(cluster.timesTold(id)).toBe(1);
    },
  );

  it(
    'clears away what a killed node left, once, though several compete for it',
    { timeout: 90_000 },
    async ({ expect, onTestFinished }) => {
      const { cluster, first, second, third } = await clusterOf({ onTestFinished }, ['one', 'two', 'three']);
      await Promise.all(Array.from({ length: 40 }, (_, index) => first.connect(`user-${index % 20}`)));
      const stays = await second.connect('user-0');
      await vi.waitFor(async () => expect(await third.nodesOf('user-19')).toHaveLength(2), SOON);
      const killedAt = Date.now();
      await first.kill();

      const lost = (): readonly SessionEvent[] =>
        [...second.events, ...third.events].filter(({ type }) => type === 'disconnected');
      await vi.waitFor(() => expect(lost()).toHaveLength(40), SWEPT);
      expect(Date.now() - killedAt).toBeGreaterThan(LEASE_MS);
      for (const event of lost())
        expect(event).toMatchObject({ node: 'one', reason: 'node_lost', code: 1006 });
      const offline = (): readonly SessionEvent[] =>
        [...second.events, ...third.events].filter(({ type }) => type === 'offline');
      await vi.waitFor(() => expect(offline()).toHaveLength(19), SOON);
      expect(await third.nodesOf('user-0')).toEqual(['two']);
      expect([await third.isOnline('user-0'), await third.isOnline('user-1')]).toEqual([true, false]);

      // The later sweeps of the same node find nothing more.
      await vi.waitFor(() => expect(Date.now() - killedAt).toBeGreaterThan(3 * LEASE_MS), SWEPT);
      expect([lost().length, offline().length]).toEqual([40, 19]);
      expect(stays.socket.readyState).toBe(stays.socket.OPEN);
      await noGhosts(cluster, ['user-0'], expect);
    },
  );

  it(
    'closes everyone of a node that was paused for so long that it was swept, and delivers nothing',
    {
      timeout: 90_000,
    },
    async ({ expect, onTestFinished }) => {
      const { cluster, first, second } = await clusterOf({ onTestFinished }, ['one', 'two', 'three']);
      const ann = await first.connect('ann');
      await ann.request('$subscribe', { channel: 'room:1' });
      await vi.waitFor(async () => expect(await second.nodesOf('ann')).toEqual(['one']), SOON);
      first.pause();
      ann.send('note', 'sent while it stood still');
      await vi.waitFor(() => expect(typesOf(cluster, 'ann')).toContain('offline'), SWEPT);
      await second.api('publish', { channel: 'room:1', event: 'late' });
      first.resume();

      expect(await ann.closed).toMatchObject({ code: 1001 });
      expect(ann.received.map(({ event }) => event)).not.toContain('late');
      const back = await first.connect('ann');
      expect(await back.request('note', 'after')).toMatchObject({ data: true });
      expect(first.notes).toEqual(['after']);
      await vi.waitFor(async () => expect(await second.nodesOf('ann')).toEqual(['one']), SOON);
      await vi.waitFor(() => expect(typesOf(cluster, 'ann')).toHaveLength(6), SOON);
      expect(typesOf(cluster, 'ann').slice(0, 4)).toEqual(['connected', 'online', 'disconnected', 'offline']);
      expect(cluster.eventsOf('ann')[2]).toMatchObject({ reason: 'node_lost' });
    },
  );

  it(
    'goes on where it was after a pause that nobody took for its death',
    { timeout: 60_000 },
    async ({ expect, onTestFinished }) => {
      const { cluster, first, second } = await clusterOf({ onTestFinished }, ['one', 'two']);
      const ann = await first.connect('ann');
      await ann.request('$subscribe', { channel: 'room:1' });
      await vi.waitFor(async () => expect(await second.nodesOf('ann')).toEqual(['one']), SOON);
      first.pause();
      ann.send('note', 1);
      await second.api('publish', { channel: 'room:1', event: 'news', data: 1 });
      await sleep(LEASE_MS * 0.75);
      first.resume();
      expect(await ann.frame('news')).toMatchObject({ channel: 'room:1', data: 1 });
      expect(await ann.request('note', 2)).toMatchObject({ data: true });
      expect(first.notes).toEqual([1, 2]);
      expect(first.log).toContain('stood still');
      expect(ann.socket.readyState).toBe(ann.socket.OPEN);
      expect(typesOf(cluster, 'ann')).toEqual(['connected', 'online']);
    },
  );

  it(
    'closes nobody and tells nothing when Redis stands still for longer than a lease',
    { timeout: 60_000 },
    async ({ expect, onTestFinished }) => {
      const { cluster, first, second } = await clusterOf({ onTestFinished }, ['one', 'two']);
      const [ann, ben] = [await first.connect('ann'), await second.connect('ben')];
      await vi.waitFor(async () => expect(await second.nodesOf('ann')).toEqual(['one']), SOON);
      cluster.redis.pause();
      await sleep(3 * LEASE_MS);
      cluster.redis.resume();
      const late = await first.connect('late');
      await vi.waitFor(async () => expect(await second.nodesOf('late')).toEqual(['one']), SWEPT);
      // Longer than it takes from there to sweep a node that is dead.
      await sleep(2 * LEASE_MS);
      expect(await second.nodesOf('ann')).toEqual(['one']);
      expect(await first.nodesOf('ben')).toEqual(['two']);
      for (const { socket } of [ann, ben, late]) expect(socket.readyState).toBe(socket.OPEN);
      expect([typesOf(cluster, 'ann'), typesOf(cluster, 'ben')]).toEqual([
        ['connected', 'online'],
        ['connected', 'online'],
      ]);
      expect(first.log + second.log).not.toMatch(/taken for dead|stood still/);
    },
  );

  it(
    'writes everybody anew after Redis lost its data, and closes nobody',
    { timeout: 60_000 },
    async ({ expect, onTestFinished }) => {
      const { cluster, first, second } = await clusterOf({ onTestFinished }, ['one', 'two']);
      const [ann, ben] = [await first.connect('ann'), await second.connect('ben')];
      await vi.waitFor(async () => expect(await second.nodesOf('ann')).toEqual(['one']), SOON);
      await cluster.redis.restart();
      await vi.waitFor(async () => {
        expect(await second.nodesOf('ann')).toEqual(['one']);
        expect(await first.nodesOf('ben')).toEqual(['two']);
      }, SWEPT);
      await ann.close();
      await vi.waitFor(async () => expect(await second.nodesOf('ann')).toEqual([]), SOON);
      await vi.waitFor(() => expect(typesOf(cluster, 'ann')).toHaveLength(4), SOON);
      expect(typesOf(cluster, 'ann')).toEqual(['connected', 'online', 'disconnected', 'offline']);
      expect(ben.socket.readyState).toBe(ben.socket.OPEN);
      await noGhosts(cluster, ['ben'], expect);
    },
  );

  it(
    'gives a lost device time to come back, and none to one that says goodbye',
    { timeout: 60_000 },
    async ({ expect, onTestFinished }) => {
      const { cluster, first, second } = await clusterOf({ onTestFinished }, ['one', 'two']);
      const lost = await first.connect('ann');
      await vi.waitFor(() => expect(typesOf(cluster, 'ann')).toHaveLength(2), SOON);
      lost.socket.terminate();
      await vi.waitFor(() => expect(typesOf(cluster, 'ann')).toHaveLength(3), SOON);
      expect(await second.isOnline('ann')).toBe(true);
      const back = await second.connect('ann');
      await back.close();
      await vi.waitFor(() => expect(typesOf(cluster, 'ann')).toHaveLength(6), SOON);
      expect(typesOf(cluster, 'ann').slice(3)).toEqual(['connected', 'disconnected', 'offline']);

      (await first.connect('ben')).socket.terminate();
      await vi.waitFor(() => expect(typesOf(cluster, 'ben')).toContain('offline'), SOON);
      const [, , disconnected, offline] = cluster.eventsOf('ben');
      expect((offline?.at ?? 0) - (disconnected?.at ?? 0)).toBeGreaterThanOrEqual(900);
    },
  );

  it(
    'gives no more time to a device that had been silent for longer than that',
    { timeout: 60_000 },
    async ({ expect, onTestFinished }) => {
      const { cluster, first } = await clusterOf({ onTestFinished }, ['one', 'two'], {
        HEARTBEAT_MS: '1000',
      });
      await first.connect('ann', { autoPong: false });
      await vi.waitFor(() => expect(typesOf(cluster, 'ann')).toContain('offline'), SWEPT);
      const [, , disconnected, offline] = cluster.eventsOf('ann');
      expect(disconnected).toMatchObject({ code: 1006 });
      expect(offline?.at).toBe(disconnected?.at);
    },
  );

  it('leaves no ghost behind when a node drains', { timeout: 60_000 }, async ({ expect, onTestFinished }) => {
    const { cluster, first, second } = await clusterOf({ onTestFinished }, ['one', 'two']);
    const ann = await first.connect('ann');
    await vi.waitFor(async () => expect(await second.nodesOf('ann')).toEqual(['one']), SOON);
    await first.leave();
    expect(await ann.closed).toMatchObject({ code: 1001 });
    expect(await second.nodesOf('ann')).toEqual([]);
    const { nodes } = await second.api<{ nodes: { node: string }[] }>('info');
    expect(nodes.map(({ node }) => node)).toEqual(['two']);
    await vi.waitFor(() => expect(typesOf(cluster, 'ann')).toHaveLength(4), SOON);
    expect(cluster.eventsOf('ann')[2]).toMatchObject({ code: 1001, reason: 'going away' });
    await noGhosts(cluster, [], expect);
  });

  it(
    'closes everyone of a node that was cut off from Redis alone for so long that it was swept',
    { timeout: 90_000 },
    async ({ expect, onTestFinished }) => {
      const { cluster, second } = await clusterOf({ onTestFinished }, ['two', 'three']);
      const proxy = await startTcpProxy(cluster.redis.port);
      onTestFinished(() => proxy.close());
      const first = await cluster.start('one', { REDIS_URL: `redis://127.0.0.1:${proxy.port}` });
      const ann = await first.connect('ann');
      await vi.waitFor(async () => expect(await second.nodesOf('ann')).toEqual(['one']), SOON);
      proxy.setMode('cut');
      const late = await first.connect('late');
      await vi.waitFor(() => expect(typesOf(cluster, 'ann')).toContain('offline'), SWEPT);
      expect([ann, late].map(({ socket }) => socket.readyState)).toEqual([1, 1]);
      proxy.setMode('pass');
      expect(await ann.closed).toMatchObject({ code: 1001 });
      expect(await late.closed).toMatchObject({ code: 1001 });
      const story = ['connected', 'online', 'disconnected', 'offline'];
      await vi.waitFor(() => expect(typesOf(cluster, 'late')).toEqual(story), SOON);
      expect(typesOf(cluster, 'ann')).toEqual(story);
      expect(cluster.timesTold(cluster.eventsOf('ann')[2]?.id ?? '')).toBe(1);
      await noGhosts(cluster, [], expect);
    },
  );

  it(
    'clears the ghosts that a failover to a replica brings back, and closes nobody',
    { timeout: 90_000 },
    async ({ expect, onTestFinished }) => {
      const primary = await startRedis();
      const link = await startTcpProxy(primary.port);
      const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', `${link.port}`] });
      const proxy = await startTcpProxy(primary.port);
      const admin = new Redis(replica.url);
      const cluster = new Cluster({ ...primary, url: `redis://127.0.0.1:${proxy.port}` });
      onTestFinished(async () => {
        admin.disconnect();
        await cluster.close();
        await Promise.all([proxy.close(), link.close(), replica.stop()]);
      });
      const first = await cluster.start('one');
      const second = await cluster.start('two');
      const [ann, ben] = [await first.connect('ann'), await first.connect('ben')];
      await vi.waitFor(async () => expect(await admin.keys('*}:user:*')).toHaveLength(2), SOON);
      link.setMode('blackhole');
      await ben.close();
      await vi.waitFor(() => expect(typesOf(cluster, 'ben')).toContain('offline'), SOON);

      await primary.kill();
      await admin.replicaof('NO', 'ONE');
      expect(await admin.keys('*}:user:*')).toHaveLength(2);
      proxy.setTarget(replica.port);
      await vi.waitFor(async () => expect(await second.nodesOf('ben')).toEqual([]), SWEPT);
      expect(await second.nodesOf('ann')).toEqual(['one']);
      expect(await second.isOnline('ben')).toBe(false);
      expect(ann.socket.readyState).toBe(ann.socket.OPEN);
      expect(typesOf(cluster, 'ann')).toEqual(['connected', 'online']);
      expect(typesOf(cluster, 'ben')).toEqual(['connected', 'online', 'disconnected', 'offline']);
    },
  );

  it(
    'tells the disconnect hook of the standalone gateway of one that was killed, by another one',
    { timeout: 90_000 },
    async ({ expect, onTestFinished }) => {
      const redis = await startRedis();
      const hooks = await startHookReceiver();
      const env = { REDIS_URL: redis.url, HOOKS_URL: hooks.url, HOOKS_SECRET: HOOKS_KEY };
      const gateways = await Promise.all([
        startGateway(env),
        startGateway({ ...env, HOOKS_EVENTS: 'offline' }),
      ]);
      onTestFinished(async () => {
        await Promise.all(gateways.map((gateway) => gateway.stop()));
        await Promise.all([redis.stop(), hooks.close()]);
      });
      const [first, second] = gateways;
      const ann = await openClient(first.ws(), { token: tokenFor('ann', { tenant: 'acme' }) });
      await ann.frame('$welcome');
      const online = async (): Promise<unknown> => second.api('presence?user=ann');
      await vi.waitFor(async () => expect(await online()).toEqual({ user: 'ann', online: true }), SOON);
      await first.stop();
      const told = (): readonly unknown[] => hooks.calls.map(({ hook }) => hook);
      await vi.waitFor(() => expect(told()).toEqual(['connect', 'disconnect', 'offline']), {
        timeout: 40_000,
      });
      expect(hooks.calls[1]).toMatchObject({ user: 'ann', code: 1006, reason: 'node_lost' });
      expect(await online()).toEqual({ user: 'ann', online: false });
    },
  );

  describe('a limit per user', () => {
    it(
      'holds across nodes: one too many is refused',
      { timeout: 60_000 },
      async ({ expect, onTestFinished }) => {
        const { first, second } = await clusterOf({ onTestFinished }, ['one', 'two'], { PER_USER: '2' });
        const attempts = [first, second, first, second, first, second].map((node) =>
          node.connect('ann').catch((error: unknown) => error),
        );
        const outcomes = await Promise.all(attempts);
        const refused = outcomes.filter((outcome) => outcome instanceof UpgradeRefused);
        expect(refused.map(({ status }) => status)).toEqual([429, 429, 429, 429]);
        await vi.waitFor(async () => expect(await first.nodesOf('ann')).toHaveLength(2), SOON);
        await expect(second.connect('ann')).rejects.toMatchObject({ status: 429 });
        await second.connect('ben');
      },
    );

    it(
      'holds across nodes: a newcomer replaces the oldest, wherever that is',
      { timeout: 60_000 },
      async ({ expect, onTestFinished }) => {
        const { first, second } = await clusterOf({ onTestFinished }, ['one', 'two'], {
          PER_USER: '1',
          OVERFLOW: 'replace',
        });
        const oldest = await first.connect('ann');
        await vi.waitFor(async () => expect(await second.nodesOf('ann')).toEqual(['one']), SOON);
        await second.connect('ann');
        expect(await oldest.closed).toMatchObject({ code: 1008, reason: 'replaced' });
        await vi.waitFor(async () => expect(await first.nodesOf('ann')).toEqual(['two']), SOON);
      },
    );

    it('is the node’s own while Redis is away', { timeout: 60_000 }, async ({ expect, onTestFinished }) => {
      const { cluster, first, second } = await clusterOf({ onTestFinished }, ['one', 'two'], {
        PER_USER: '1',
      });
      await first.connect('ann');
      await vi.waitFor(async () => expect(await second.nodesOf('ann')).toEqual(['one']), SOON);
      await cluster.redis.kill();
      await expect(first.connect('ann')).rejects.toMatchObject({ status: 429 });
      await second.connect('ann');
    });
  });
});

const HOOKS_KEY = 'a-hooks-secret-of-the-tests-alone-32-bytes';

interface HookReceiver {
  readonly url: string;
  readonly calls: Readonly<Record<string, unknown>>[];
  close(): Promise<void>;
}

/** A backend that allows everything and writes down what it is asked and told. */
async function startHookReceiver(): Promise<HookReceiver> {
  const calls: Record<string, unknown>[] = [];
  const server = createServer(async (request, response) => {
    calls.push(JSON.parse(await text(request)) as Record<string, unknown>);
    response.end('{"allow":true}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { url: `http://127.0.0.1:${port}/`, calls, close };
}

function typesOf(cluster: Cluster, user: string): readonly string[] {
  return cluster.eventsOf(user).map(({ type }) => type);
}

/** Nothing is left in the store but what belongs to these users and to living nodes. */
async function noGhosts(cluster: Cluster, users: readonly string[], expect: ExpectStatic): Promise<void> {
  const admin = new Redis(cluster.redis.url);
  try {
    await vi.waitFor(async () => {
      const keys = await admin.keys('*}:user:*');
      expect(new Set(keys.map((key) => key.split(':').at(-1)))).toEqual(new Set(users));
      for (const rest of ['*}:due', '*}:events', '*}:unsaid']) expect(await admin.keys(rest)).toEqual([]);
    }, SOON);
  } finally {
    admin.disconnect();
  }
}

import { Redis } from 'ioredis';
import { describe, type ExpectStatic, it, type TestContext, vi } from 'vitest';
import { ALL_ZERO, gaugesOf } from './support/gauges.js';
import { startRedis } from './support/redis-server.js';
import { SessionNode } from './support/session-node.js';
import { startTcpProxy } from './support/tcp-proxy.js';
import { Watcher } from './support/watcher.js';

const ROOM = 'room:1';
const SOON = { timeout: 10_000, interval: 25 };
/** From a death to its sweep: the lease, the margin, two sightings, and room for a busy machine. */
const SWEPT = { timeout: 30_000, interval: 50 };
const TEST = { timeout: 120_000 };

type Given = Pick<TestContext, 'onTestFinished'>;

/** Nodes on a Redis of their own. */
async function fleetOf({ onTestFinished }: Given, env: Readonly<Record<string, string>> = {}) {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const admin = new Redis(redis.url);
  onTestFinished(() => admin.disconnect());
  const settings = { REDIS_URL: redis.url, LEASE_MS: '2000', ...env };
  const nodes = ['one', 'two'].map((name) => new SessionNode(name, settings));
  onTestFinished(async () => {
    for (const node of nodes) node.resume();
    await Promise.all(nodes.map((node) => node.kill()));
  });
  const [first, second] = await Promise.all(nodes.map((node) => node.started()));
  if (first === undefined || second === undefined) throw new Error('two nodes');
  const watch = (port: number, user: string): Promise<Watcher> => {
    const watcher = new Watcher(`ws://127.0.0.1:${port}/ws`, user, ROOM);
    onTestFinished(() => watcher.close());
    return watcher.subscribed();
  };
  return { admin, first, second, watch };
}

/** As the store has them. */
async function usersOn(node: SessionNode): Promise<readonly string[]> {
  const { members } = await node.api<{ members: { user: string }[] }>(`presence?channel=${ROOM}`);
  return members.map(({ user }) => user);
}

async function enter(node: SessionNode, user: string) {
  const client = await node.connect(user);
  await client.request('$subscribe', { channel: ROOM });
  return client;
}

async function nothingLeft(admin: Redis, nodes: readonly SessionNode[], expect: ExpectStatic): Promise<void> {
  for (const node of nodes) {
    await vi.waitFor(async () => expect(await usersOn(node)).toEqual([]), SWEPT);
    await vi.waitFor(async () => expect(await gaugesOf(node)).toEqual(ALL_ZERO), SOON);
  }
  await vi.waitFor(async () => expect(await admin.keys('*presence*')).toEqual([]), SWEPT);
}

describe.concurrent('the presence of a channel', () => {
  it('loses the members of a killed node once', TEST, async ({ expect, onTestFinished }) => {
    const { admin, first, second, watch } = await fleetOf({ onTestFinished });
    const lost = ['ann', 'bob', 'eve'];
    for (const user of [...lost, 'joe']) await enter(first, user);
    const joe = await watch(second.port, 'joe');
    await vi.waitFor(async () => expect(await usersOn(second)).toEqual([...lost, 'joe']), SOON);
    await vi.waitFor(() => expect(joe.users).toEqual([...lost, 'joe']), SOON);
    await first.kill();

    await vi.waitFor(() => expect(joe.users).toEqual(['joe']), SWEPT);
    expect(lost.map((user) => joe.leaves(user))).toEqual([1, 1, 1]);
    expect(joe.leaves('joe')).toBe(0);
    expect(await usersOn(second)).toEqual(['joe']);
    joe.close();
    await nothingLeft(admin, [second], expect);
  });

  it(
    'loses those of a node that stood still for too long once, and has who comes back',
    TEST,
    async ({ expect, onTestFinished }) => {
      const { admin, first, second, watch } = await fleetOf({ onTestFinished });
      const [ann, joe] = [await watch(first.port, 'ann'), await watch(second.port, 'joe')];
      await enter(first, 'bob');
      const all = ['ann', 'bob', 'joe'];
      await vi.waitFor(() => expect([ann.users, joe.users]).toEqual([all, all]), SOON);
      first.pause();
      await vi.waitFor(() => expect(joe.users).toEqual(['joe']), SWEPT);
      first.resume();

      await vi.waitFor(() => expect(joe.users).toEqual(['ann', 'joe']), SWEPT);
      await vi.waitFor(() => expect(ann.users).toEqual(['ann', 'joe']), SOON);
      expect(['ann', 'bob', 'joe'].map((user) => joe.leaves(user))).toEqual([1, 1, 0]);
      expect(['ann', 'bob', 'joe'].map((user) => ann.leaves(user))).toEqual([0, 1, 0]);
      expect(await usersOn(first)).toEqual(['ann', 'joe']);
      for (const watcher of [ann, joe]) watcher.close();
      await nothingLeft(admin, [first, second], expect);
    },
  );

  it('is right again after Redis was emptied', TEST, async ({ expect, onTestFinished }) => {
    const { admin, first, second, watch } = await fleetOf({ onTestFinished }, { GRACE_MS: '60000' });
    const [ann, joe] = [await watch(first.port, 'ann'), await watch(second.port, 'joe')];
    const [bob, eve] = [await enter(first, 'bob'), await enter(second, 'eve')];
    const all = ['ann', 'bob', 'eve', 'joe'];
    await vi.waitFor(() => expect([ann.users, joe.users]).toEqual([all, all]), SOON);
    // It is forgotten that bob may still come back.
    bob.socket.terminate();
    await vi.waitFor(async () => expect(await first.metric('aerie_presence_unwritten')).toBe(0), SOON);
    await vi.waitFor(async () => expect(await first.nodesOf('bob')).toEqual([]), SOON);
    expect(await usersOn(second)).toEqual(all);
    await admin.flushall();

    const present = ['ann', 'eve', 'joe'];
    for (const node of [first, second])
      await vi.waitFor(async () => expect(await usersOn(node)).toEqual(present), SWEPT);
    for (const watcher of [ann, joe]) await vi.waitFor(() => expect(watcher.users).toEqual(present), SWEPT);
    const sue = await enter(first, 'sue');
    await vi.waitFor(() => expect(joe.told.at(-1)).toBe('+sue'), SOON);
    await ann.unsubscribe();
    await vi.waitFor(() => expect(joe.users).toEqual(['eve', 'joe', 'sue']), SOON);
    await Promise.all([eve.close(), sue.close()]);
    for (const watcher of [ann, joe]) watcher.close();
    await nothingLeft(admin, [first, second], expect);
  });

  it(
    'keeps who moves to another node while theirs drains, and loses who does not',
    TEST,
    async ({ expect, onTestFinished }) => {
      const { admin, first, second, watch } = await fleetOf({ onTestFinished }, { DRAIN_MS: '5000' });
      const road = await startTcpProxy(first.port);
      onTestFinished(() => road.close());
      const [ann, joe] = [await watch(road.port, 'ann'), await watch(second.port, 'joe')];
      await enter(first, 'bob');
      const all = ['ann', 'bob', 'joe'];
      await vi.waitFor(() => expect([ann.users, joe.users]).toEqual([all, all]), SOON);
      road.setTarget(second.port);
      await first.leave();

      await vi.waitFor(() => expect(joe.users).toEqual(['ann', 'joe']), SWEPT);
      await vi.waitFor(() => expect(ann.users).toEqual(['ann', 'joe']), SOON);
      expect(await second.nodesOf('ann')).toEqual(['two']);
      expect(joe.told.toSorted()).toEqual(['+ann', '+bob', '+joe', '-bob']);
      expect(ann.leaves('joe') + ann.leaves('ann')).toBe(0);
      for (const watcher of [ann, joe]) watcher.close();
      await nothingLeft(admin, [second], expect);
    },
  );
});

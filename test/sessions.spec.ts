import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { openClient, UpgradeRefused } from '@aerie/realtime/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type RunningGateway, startGateway, tokenFor } from './support/gateway.js';
import { type RedisServer, startRedis } from './support/redis-server.js';
import { ONLINE, SessionFleet, SOON, STORY } from './support/session-fleet.js';
import { startTcpProxy, type TcpProxy } from './support/tcp-proxy.js';

// What holds when nodes die or Redis fails is in `faults/sessions.spec.ts`, for every kind of Redis.
const TEST = { timeout: 60_000 };
const ROOM = 'room:1';

interface Setting {
  readonly redis: RedisServer;
  readonly fleet: SessionFleet;
}

/** Nodes on a Redis of their own, for all cases of a suite. */
function onFleet(start: (setting: Setting) => Promise<unknown>): () => Setting {
  let setting: Setting | undefined;
  beforeAll(async () => {
    const redis = await startRedis();
    const admin = new Redis(redis.url);
    admin.on('error', () => undefined);
    const stop = async (): Promise<void> => {
      admin.disconnect();
      await redis.stop();
    };
    setting = {
      redis,
      fleet: new SessionFleet({ url: redis.url, keys: (pattern) => admin.keys(pattern), stop }),
    };
    await start(setting);
  });
  afterAll(() => setting?.fleet.close());
  return () => {
    if (setting === undefined) throw new Error('the fleet has not started');
    return setting;
  };
}

describe.concurrent('sessions over several nodes', () => {
  describe('and hooks', () => {
    let redis: RedisServer;
    let hooks: HookReceiver;
    let gateways: readonly RunningGateway[] = [];
    beforeAll(async () => {
      [redis, hooks] = await Promise.all([startRedis(), startHookReceiver()]);
      const env = { REDIS_URL: redis.url, HOOKS_URL: hooks.url, HOOKS_SECRET: HOOKS_KEY };
      gateways = await Promise.all([startGateway(env), startGateway({ ...env, HOOKS_EVENTS: 'offline' })]);
    });
    afterAll(async () => {
      await Promise.all(gateways.map((gateway) => gateway.stop()));
      await Promise.all([redis.stop(), hooks.close()]);
    });

    it.sequential('tell of who was on a killed gateway, by another one', TEST, async () => {
      const [first, second] = gateways;
      if (first === undefined || second === undefined) throw new Error('two gateways');
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
    });
  });

  describe('that live', () => {
    const given = onFleet(({ fleet }) =>
      Promise.all([
        fleet.start(2, { PER_USER: '2', DRAIN_MS: '3000' }),
        fleet.add('three', { PER_USER: '2', HEARTBEAT_MS: '1000' }),
      ]),
    );

    it.sequential('are known on every node, and told of once', TEST, async () => {
      const { fleet } = given();
      const [first, second] = [fleet.node('one'), fleet.node('two')];
      const phone = await first.connect('ann');
      await second.connect('ann');
      await vi.waitFor(async () => expect(await first.nodesOf('ann')).toEqual(['one', 'two']), SOON);
      expect(await second.nodesOf('ann')).toEqual(['one', 'two']);
      expect([await first.isOnline('ann'), await first.isOnline('nobody')]).toEqual([true, false]);

      await phone.close();
      await vi.waitFor(async () => expect(await second.nodesOf('ann')).toEqual(['two']), SOON);
      await vi.waitFor(() => expect(fleet.typesOf('ann')).toHaveLength(4), SOON);
      expect(fleet.typesOf('ann')).toEqual([...ONLINE, 'connected', 'disconnected']);
      for (const { id } of fleet.eventsOf('ann')) expect(fleet.timesTold(id)).toBe(1);
    });

    it.sequential(
      'give a lost device time to come back, and none to one that says goodbye',
      TEST,
      async () => {
        const { fleet } = given();
        const [first, second] = [fleet.node('one'), fleet.node('two')];
        const lost = await first.connect('ben');
        await vi.waitFor(() => expect(fleet.typesOf('ben')).toEqual(ONLINE), SOON);
        lost.socket.terminate();
        await vi.waitFor(() => expect(fleet.typesOf('ben')).toHaveLength(3), SOON);
        expect(await second.isOnline('ben')).toBe(true);
        const back = await second.connect('ben');
        await back.close();
        await vi.waitFor(() => expect(fleet.typesOf('ben')).toHaveLength(6), SOON);
        expect(fleet.typesOf('ben').slice(3)).toEqual(['connected', 'disconnected', 'offline']);

        (await first.connect('bob')).socket.terminate();
        await vi.waitFor(() => expect(fleet.typesOf('bob')).toEqual(STORY), SOON);
        const [, , disconnected, offline] = fleet.eventsOf('bob');
        expect((offline?.at ?? 0) - (disconnected?.at ?? 0)).toBeGreaterThanOrEqual(900);
      },
    );

    it.sequential('give no more time to a device that was silent for longer than that', TEST, async () => {
      const { fleet } = given();
      await fleet.node('three').connect('cat', { autoPong: false });
      await vi.waitFor(() => expect(fleet.typesOf('cat')).toEqual(STORY), fleet.swept);
      const [, , disconnected, offline] = fleet.eventsOf('cat');
      expect(disconnected).toMatchObject({ code: 1006 });
      expect(offline?.at).toBe(disconnected?.at);
    });

    it.sequential('keep to a limit per user together: one too many is refused', TEST, async () => {
      const { fleet } = given();
      const [first, second] = [fleet.node('one'), fleet.node('two')];
      const attempts = [first, second, first, second, first, second].map((node) =>
        node.connect('dan').catch((error: unknown) => error),
      );
      const outcomes = await Promise.all(attempts);
      const refused = outcomes.filter((outcome) => outcome instanceof UpgradeRefused);
      expect(refused.map(({ status }) => status)).toEqual([429, 429, 429, 429]);
      await vi.waitFor(async () => expect(await first.nodesOf('dan')).toHaveLength(2), SOON);
      await expect(second.connect('dan')).rejects.toMatchObject({ status: 429 });
      await second.connect('eve');
    });

    it.sequential(
      'leave no ghost behind when a node drains, and who moves stays a member',
      TEST,
      async () => {
        const { fleet } = given();
        const [first, second] = [fleet.node('one'), fleet.node('two')];
        const road = await startTcpProxy(first.port);
        const moves = await fleet.watch(first, 'moves', { room: ROOM, port: road.port });
        const stays = await fleet.watch(second, 'stays', { room: ROOM });
        const gone = await fleet.enter(first, 'gone', ROOM);
        const all = ['gone', 'moves', 'stays'];
        await vi.waitFor(() => expect([moves.users, stays.users]).toEqual([all, all]), SOON);
        await vi.waitFor(async () => expect(await second.nodesOf('gone')).toEqual(['one']), SOON);
        road.setTarget(second.port);
        await first.leave();

        expect(await gone.closed).toMatchObject({ code: 1001 });
        expect(await second.nodesOf('gone')).toEqual([]);
        const { nodes } = await second.api<{ nodes: { node: string }[] }>('info');
        expect(nodes.map(({ node }) => node).toSorted()).toEqual(['three', 'two']);
        await vi.waitFor(() => expect(stays.users).toEqual(['moves', 'stays']), fleet.swept);
        await vi.waitFor(() => expect(moves.users).toEqual(['moves', 'stays']), SOON);
        expect(await second.nodesOf('moves')).toEqual(['two']);
        expect(stays.told.toSorted()).toEqual(['+gone', '+moves', '+stays', '-gone']);
        expect(moves.leaves('stays') + moves.leaves('moves')).toBe(0);
        await vi.waitFor(() => expect(fleet.typesOf('gone')).toEqual(STORY), SOON);
        expect(fleet.eventsOf('gone')[2]).toMatchObject({ code: 1001, reason: 'going away' });
        await fleet.leavesNothing(expect);
        await road.close();
      },
    );

    it.sequential('keep to a limit per user each for itself while Redis is away', TEST, async () => {
      const { fleet, redis } = given();
      const [second, third] = [fleet.node('two'), fleet.node('three')];
      await second.connect('fay');
      await second.connect('fay');
      await vi.waitFor(async () => expect(await third.nodesOf('fay')).toEqual(['two', 'two']), SOON);
      await redis.kill();
      await expect(second.connect('fay')).rejects.toMatchObject({ status: 429 });
      await third.connect('fay');
    });
  });

  describe('whose users may replace the oldest', () => {
    const given = onFleet(({ fleet }) => fleet.start(2, { PER_USER: '1', OVERFLOW: 'replace' }));

    it.sequential('do so wherever that is', TEST, async () => {
      const { fleet } = given();
      const [first, second] = [fleet.node('one'), fleet.node('two')];
      const oldest = await first.connect('ann');
      await vi.waitFor(async () => expect(await second.nodesOf('ann')).toEqual(['one']), SOON);
      await second.connect('ann');
      expect(await oldest.closed).toMatchObject({ code: 1008, reason: 'replaced' });
      await vi.waitFor(async () => expect(await first.nodesOf('ann')).toEqual(['two']), SOON);
    });
  });

  describe('of which one is cut off from Redis alone', () => {
    let proxy: TcpProxy;
    const given = onFleet(async ({ fleet, redis }) => {
      proxy = await startTcpProxy(redis.port);
      const apart = { REDIS_URL: `redis://127.0.0.1:${proxy.port}` };
      await Promise.all([fleet.add('one', apart), fleet.add('two')]);
    });
    afterAll(() => proxy.close());

    it.sequential('close everyone there once it was swept', TEST, async () => {
      const { fleet } = given();
      const [first, second] = [fleet.node('one'), fleet.node('two')];
      const ann = await first.connect('ann');
      await vi.waitFor(async () => expect(await second.nodesOf('ann')).toEqual(['one']), SOON);
      proxy.setMode('cut');
      const late = await first.connect('late');
      await vi.waitFor(() => expect(fleet.typesOf('ann')).toContain('offline'), fleet.swept);
      expect([ann, late].map(({ socket }) => socket.readyState)).toEqual([1, 1]);
      proxy.setMode('pass');
      expect(await ann.closed).toMatchObject({ code: 1001 });
      expect(await late.closed).toMatchObject({ code: 1001 });
      await vi.waitFor(() => expect(fleet.typesOf('late')).toEqual(STORY), SOON);
      expect(fleet.typesOf('ann')).toEqual(STORY);
      expect(fleet.timesTold(fleet.eventsOf('ann')[2]?.id ?? '')).toBe(1);
      await fleet.leavesNothing(expect);
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

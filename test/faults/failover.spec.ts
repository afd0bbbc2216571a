import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  type ClusterMember,
  cutOff,
  type RedisCluster,
  startRedisCluster,
} from '../support/redis-cluster.js';
import { ALL_ZERO, gaugesOf } from '../support/gauges.js';
import { startSentinel } from '../support/redis-sentinel.js';
import { startRedis } from '../support/redis-server.js';
import { CHANNELS, Fleet } from './fleet.js';
import { NOBODY, rollCall } from './roll-call.js';
import { trial } from './trial.js';

const IS_FULL = process.env['AERIE_FAULTS'] === 'full';
const FOLLOWERS = IS_FULL ? 150 : 12;
const TAIL_MS = IS_FULL ? 3_000 : 1_000;
const SOON = { timeout: 30_000, interval: 100 };
const LEASES = 'aerie:1:{nodes}:leases';
const LIVE_KEYS = CHANNELS.map((channel) => `aerie:1:{${channel}}:live`);

interface Fault {
  readonly what: string;
  /** Whether a history is lost, so that clients must be told of it. Else all must be healed. */
  readonly losesHistory: boolean;
  act(cluster: RedisCluster, fleet: Fleet): Promise<void>;
}

async function ownerOf(cluster: RedisCluster, key = LIVE_KEYS[0] ?? ''): Promise<ClusterMember> {
  return cluster.ownerOf(key);
}

const CUT: Fault = {
  what: 'every connection to one master is cut, again and again',
  losesHistory: false,
  act: async (cluster) => {
    const { admin } = await ownerOf(cluster);
    for (let time = 0; time < 5; time += 1) {
      await admin.call('CLIENT', 'KILL', 'TYPE', 'NORMAL', 'SKIPME', 'YES');
      await admin.call('CLIENT', 'KILL', 'TYPE', 'PUBSUB');
      await sleep(300);
    }
  },
};

const RESHARDED: Fault = {
  what: "a channel's slot moves from master to master",
  losesHistory: true,
  act: async (cluster) => {
    const from = await ownerOf(cluster);
    const withLeases = await ownerOf(cluster, LEASES);
    const others = cluster.masters.filter((master) => master !== from);
    // It ends on a master that has no leases, so that these outlive the loss of that one.
    for (const to of others.toSorted((a, b) => Number(b === withLeases) - Number(a === withLeases)))
      await cluster.moveSlots(LIVE_KEYS.slice(0, 1), to);
  },
};

const LOST: Fault = {
  what: 'a master is lost, and the last that it took with it',
  losesHistory: true,
  act: async (cluster, { followers }) => {
    const master = await ownerOf(cluster);
    await cluster.cutReplication(master);
    // Who was connected is part of the tail as well.
    await Promise.all(followers.map((follower) => follower.drop(200)));
    await sleep(TAIL_MS);
    await cluster.failOver(master);
    await sleep(1_000);
  },
};

const REPLACED: Fault = {
  what: 'the master of the leases stands still, is replaced, and wakes up',
  losesHistory: true,
  act: async (cluster) => {
    await cluster.pauseUntilReplaced(await ownerOf(cluster, LEASES));
    await sleep(3_000);
  },
};

describe('on a Redis Cluster a loss is healed, or told', () => {
  let cluster: RedisCluster;
  let fleet: Fleet;
  beforeAll(async () => {
    cluster = await startRedisCluster({ replicas: true });
    fleet = await new Fleet(cluster.url).start(FOLLOWERS);
  }, 60_000);
  afterAll(async () => {
    await fleet.stop();
    await cluster.stop();
  });

  it.each(IS_FULL ? [CUT, RESHARDED, LOST, REPLACED] : [RESHARDED, LOST])(
    'where $what',
    { timeout: 180_000 },
    async ({ act, losesHistory }) => {
      const { faults, told } = await trial(fleet, () => act(cluster, fleet));
      expect(faults).toEqual([]);
      if (losesHistory) expect(told).toBeGreaterThan(0);
      else expect(told).toBe(0);
      await vi.waitFor(async () => expect(await connectionsOf(fleet)).toEqual(oneEach(fleet)), SOON);
    },
  );

  it('leaves nobody behind', { timeout: 60_000 }, async () => {
    await fleet.leave();
    expect(await rollCall(fleet, NOBODY)).toEqual([]);
    await vi.waitFor(async () => {
      for (const gateway of fleet.gateways) expect(await gaugesOf(gateway)).toEqual(ALL_ZERO);
      expect(await connectionsOf(fleet)).toEqual(fleet.followers.map(() => 0));
    }, SOON);
  });
});

/** As any node tells: connections of each follower. */
function connectionsOf({ gateways: [gateway], followers }: Fleet): Promise<readonly number[]> {
  return Promise.all(
    followers.map(async ({ user }) => {
      const answer = (await gateway?.api(`connections?user=${user}`)) as { connections: unknown[] };
      return answer.connections.length;
    }),
  );
}

function oneEach({ followers }: Fleet): readonly number[] {
  return followers.map(() => 1);
}

describe('behind Sentinel a loss is told', () => {
  const cleanups: (() => Promise<unknown>)[] = [];
  afterAll(async () => {
    for (const end of cleanups.splice(0).toReversed()) await end();
  });

  it('where the primary is lost, and the last that it took with it', { timeout: 180_000 }, async () => {
    const primary = await startRedis({ args: ['--repl-diskless-sync-delay', '0'] });
    const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', String(primary.port)] });
    const admin = new Redis(replica.url);
    cleanups.push(
      () => Promise.all([primary.stop(), replica.stop()]),
      async () => admin.disconnect(),
    );
    const isInStep = async (): Promise<void> =>
      expect(await admin.info('replication')).toContain('master_link_status:up');
    await vi.waitFor(isInStep, { timeout: 15_000, interval: 50 });
    // It asks the primary for its replicas when it starts, and then every 10 s.
    const sentinel = await startSentinel(primary.port);
    cleanups.push(() => sentinel.stop());
    const fleet = await new Fleet(`redis+sentinel://127.0.0.1:${sentinel.port}/main`).start(FOLLOWERS);
    cleanups.push(() => fleet.stop());

    const { faults, told } = await trial(fleet, async () => {
      await cutOff({ admin });
      await sleep(TAIL_MS);
      await primary.kill();
      const tookOver = async (): Promise<void> =>
        expect(await admin.info('replication')).toContain('role:master');
      await vi.waitFor(tookOver, { timeout: 30_000, interval: 50 });
      await sleep(1_000);
    });
    expect(faults).toEqual([]);
    expect(told).toBeGreaterThan(0);
  });
});

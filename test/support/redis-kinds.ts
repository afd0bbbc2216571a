import { Redis } from 'ioredis';
import { vi } from 'vitest';
import { cutOff, startRedisCluster } from './redis-cluster.js';
import { startSentinel } from './redis-sentinel.js';
import { type RedisServer, startRedis } from './redis-server.js';
import { startTcpProxy } from './tcp-proxy.js';

/** A Redis of whatever kind, with replicas, and what can happen to all of it. */
export interface TestRedis {
  readonly url: string;
  /** Names of all keys that match, wherever they are. */
  keys(pattern: string): Promise<readonly string[]>;
  /** SIGSTOP to every process of it. */
  pause(): void;
  resume(): void;
  /** FLUSHALL. */
  empty(): Promise<void>;
  /** What was written so far is with the replicas, and nothing that is written from now on. */
  cutReplication(): Promise<void>;
  /** The primary of the leases is lost for good, with what its replica lacks. Resolves when that has taken over. */
  failOver(): Promise<void>;
  /** Whether `failOver` takes the latest of this key. */
  isLost(key: string): Promise<boolean>;
  stop(): Promise<void>;
}

const LEASES = 'aerie:1:{nodes}:leases';
const IN_STEP = { timeout: 20_000, interval: 20 };

export const REDIS_KINDS = {
  'one Redis': startOne,
  'a Redis Cluster': startCluster,
  'Redis behind Sentinel': startBehindSentinel,
} as const;

export type RedisKind = keyof typeof REDIS_KINDS;

interface Pair {
  readonly primary: RedisServer;
  readonly replica: RedisServer;
  /** Of the primary. */
  readonly admin: Redis;
  /** Of the replica. */
  readonly heir: Redis;
}

/** One that is replaced by hand: the nodes know the address of a proxy. */
async function startOne(): Promise<TestRedis> {
  const pair = await startPair();
  const proxy = await startTcpProxy(pair.primary.port);
  const { stop, ...rest } = ofPair(pair);
  return {
    ...rest,
    url: `redis://127.0.0.1:${proxy.port}`,
    failOver: async () => {
      await pair.primary.kill();
      await pair.heir.replicaof('NO', 'ONE');
      proxy.setTarget(pair.replica.port);
    },
    stop: async () => {
      await proxy.close();
      await stop();
    },
  };
}

async function startBehindSentinel(): Promise<TestRedis> {
  const pair = await startPair();
  // It asks the primary for its replicas when it starts, and then every 10 s.
  const sentinel = await startSentinel(pair.primary.port);
  const { pause, resume, stop, ...rest } = ofPair(pair);
  return {
    ...rest,
    url: `redis+sentinel://127.0.0.1:${sentinel.port}/main`,
    pause: () => {
      sentinel.pause();
      pause();
    },
    resume: () => {
      resume();
      sentinel.resume();
    },
    failOver: async () => {
      await pair.primary.kill();
      await vi.waitFor(async () => {
        if (!(await pair.heir.info('replication')).includes('role:master')) throw new Error('no heir yet');
      }, IN_STEP);
    },
    stop: async () => {
      await sentinel.stop();
      await stop();
    },
  };
}

async function startCluster(): Promise<TestRedis> {
  const cluster = await startRedisCluster({ replicas: true });
  const members = [...cluster.masters, ...cluster.replicas];
  const owners = async (): Promise<readonly Redis[]> => {
    const isMaster = members.map(async ({ admin }) =>
      admin.status === 'ready' ? (await admin.info('replication')).includes('role:master') : false,
    );
    const answers = await Promise.all(isMaster);
    return members.filter((_, index) => answers[index]).map(({ admin }) => admin);
  };
  return {
    url: cluster.url,
    keys: async (pattern) => (await Promise.all((await owners()).map((admin) => admin.keys(pattern)))).flat(),
    pause: () => {
      for (const { server } of members) server.pause();
    },
    resume: () => {
      for (const { server } of members) server.resume();
    },
    empty: async () => {
      await Promise.all((await owners()).map((admin) => admin.flushall()));
    },
    cutReplication: async () => {
      const owner = await cluster.ownerOf(LEASES);
      await owner.admin.wait(1, IN_STEP.timeout);
      await cluster.cutReplication(owner);
    },
    failOver: async () => cluster.failOver(await cluster.ownerOf(LEASES)),
    isLost: async (key) => (await cluster.ownerOf(key)) === (await cluster.ownerOf(LEASES)),
    stop: () => cluster.stop(),
  };
}

async function startPair(): Promise<Pair> {
  const primary = await startRedis({ args: ['--repl-diskless-sync-delay', '0'] });
  const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', String(primary.port)] });
  const [admin, heir] = [new Redis(primary.url), new Redis(replica.url)];
  for (const client of [admin, heir]) client.on('error', () => undefined);
  await vi.waitFor(async () => {
    if (!(await heir.info('replication')).includes('master_link_status:up')) throw new Error('no link yet');
  }, IN_STEP);
  return { primary, replica, admin, heir };
}

function ofPair({ primary, replica, admin, heir }: Pair): Omit<TestRedis, 'url' | 'failOver'> {
  const servers = [primary, replica];
  const owner = async (): Promise<Redis> =>
    (await heir.info('replication')).includes('role:master') ? heir : admin;
  return {
    keys: async (pattern) => (await owner()).keys(pattern),
    pause: () => {
      for (const server of servers) server.pause();
    },
    resume: () => {
      for (const server of servers) server.resume();
    },
    empty: async () => void (await (await owner()).flushall()),
    cutReplication: async () => {
      await admin.wait(1, IN_STEP.timeout);
      await cutOff({ admin: heir });
    },
    isLost: async () => true,
    stop: async () => {
      for (const client of [admin, heir]) client.disconnect();
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort } from './free-port.js';
import { type RedisServer, startRedis } from './redis-server.js';

export interface RedisClusterOptions {
  /** Gives each master a replica, which takes over within some 2 s of its death. Default false. */
  readonly replicas?: boolean;
}

/** One process of a cluster. */
export interface ClusterMember {
  readonly server: RedisServer;
  readonly admin: Redis;
  readonly id: string;
}

/** Three real masters with a third of the slots each, on 127.0.0.1. */
export interface RedisCluster {
  readonly url: string;
  readonly masters: readonly ClusterMember[];
  /** In the order of their masters; none without `replicas`. */
  readonly replicas: readonly ClusterMember[];
  /** The master that has the slot of a key now. */
  ownerOf(key: string): Promise<ClusterMember>;
  /** Moves the slots of these keys, with all that is in them. */
  moveSlots(keys: readonly string[], to: ClusterMember): Promise<void>;
  /** Begins to move the slot of a key, which `moveSlots` brings to its end. */
  beginMove(key: string, to: ClusterMember): Promise<void>;
  /** From now on the replica of this master misses what is written: it will lack the tail. */
  cutReplication(master: ClusterMember): Promise<void>;
  /** SIGKILL to a master, for good; resolves when its replica has taken over everywhere. */
  failOver(master: ClusterMember): Promise<void>;
  /** SIGSTOP to a master, until its replica has taken over everywhere; then it wakes up, and thinks itself the master for a moment. */
  pauseUntilReplaced(master: ClusterMember): Promise<void>;
  stop(): Promise<void>;
}

const MASTERS = 3;
const SLOTS = 16_384;
const NODE_TIMEOUT_MS = 1_000;
const WITHIN_MS = 20_000;

export async function startRedisCluster({
  replicas = false,
}: RedisClusterOptions = {}): Promise<RedisCluster> {
  const members = await Promise.all(Array.from({ length: replicas ? 2 * MASTERS : MASTERS }, startMember));
  const masters = members.slice(0, MASTERS);
  const followers = members.slice(MASTERS);
  await introduce(members, masters);
  await Promise.all(followers.map((follower, index) => follow(follower, masters[index])));
  const living = (): ClusterMember[] => members.filter(({ admin }) => admin.status === 'ready');
  const slotOf = (key: string): Promise<number> => first(living()).admin.cluster('KEYSLOT', key);
  const ownerOfSlot = async (slot: number): Promise<ClusterMember> => {
    const ranges = await first(living()).admin.cluster('SLOTS');
    const [, , owner] = ranges.find(([from, to]) => from <= slot && slot <= to) ?? [];
    return first(members.filter(({ server }) => server.port === owner?.[1]));
  };
  return {
    url: `redis+cluster://${masters.map(({ server }) => `127.0.0.1:${server.port}`).join(',')}`,
    masters,
    replicas: followers,
    ownerOf: async (key) => ownerOfSlot(await slotOf(key)),
    moveSlots: async (keys, to) => {
      for (const slot of new Set(await Promise.all(keys.map(slotOf)))) {
        const from = await ownerOfSlot(slot);
        if (from !== to) await moveSlot(slot, { from, to, all: masters });
      }
    },
    beginMove: async (key, to) => beginMove(await slotOf(key), await ownerOfSlot(await slotOf(key)), to),
    cutReplication: (master) => cutOff(first(followers.slice(masters.indexOf(master)))),
    failOver: async (master) => {
      const heir = first(followers.slice(masters.indexOf(master)));
      await master.server.kill();
      master.admin.disconnect();
      await until(async () =>
        (await Promise.all(living().map(({ admin }) => knows(admin, heir)))).every(Boolean),
      );
    },
    pauseUntilReplaced: async (master) => {
      const heir = first(followers.slice(masters.indexOf(master)));
      master.server.pause();
      const others = members.filter((member) => member !== master && member.admin.status === 'ready');
      await until(async () =>
        (await Promise.all(others.map(({ admin }) => knows(admin, heir)))).every(Boolean),
      );
      master.server.resume();
    },
    stop: async () => {
      for (const { admin } of members) admin.disconnect();
      await Promise.all(members.map(({ server }) => server.stop()));
    },
  };
}

/** A replica, in a cluster or not, loses its primary's ear and does not get it back. */
export async function cutOff({ admin }: Pick<ClusterMember, 'admin'>): Promise<void> {
  await admin.config('SET', 'masteruser', 'nobody', 'masterauth', 'wrong');
  await admin.call('CLIENT', 'KILL', 'TYPE', 'MASTER');
  await until(async () => (await admin.info('replication')).includes('master_link_status:down'));
}

async function startMember(): Promise<ClusterMember> {
  const cluster = ['--cluster-enabled', 'yes', '--cluster-port', String(await freePort())];
  const times = ['--cluster-node-timeout', String(NODE_TIMEOUT_MS), '--repl-diskless-sync-delay', '0'];
  const server = await startRedis({ args: [...cluster, ...times, '--cluster-replica-validity-factor', '0'] });
  const admin = new Redis(server.url, { maxRetriesPerRequest: 1, commandTimeout: 5_000 });
  admin.on('error', () => undefined);
  return { server, admin, id: await admin.cluster('MYID') };
}

async function introduce(all: readonly ClusterMember[], masters: readonly ClusterMember[]): Promise<void> {
  for (const [index, { admin }] of masters.entries()) {
    const bound = (of: number): number => Math.floor((of * SLOTS) / masters.length);
    await admin.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
    await admin.call('CLUSTER', 'ADDSLOTSRANGE', bound(index), bound(index + 1) - 1);
  }
  for (const { admin } of all.slice(1)) {
    const { server } = first(all);
    const bus = String(await first(all).admin.config('GET', 'cluster-port')).split(',')[1] ?? '';
    await admin.call('CLUSTER', 'MEET', '127.0.0.1', server.port, bus);
  }
  await until(async () => {
    const infos = await Promise.all(all.map(({ admin }) => admin.cluster('INFO')));
    return infos.every(
      (info) => info.includes('cluster_state:ok') && info.includes(`known_nodes:${all.length}`),
    );
  });
}

async function follow({ admin }: ClusterMember, master: ClusterMember | undefined): Promise<void> {
  await admin.call('CLUSTER', 'REPLICATE', master?.id ?? '');
  await until(async () => (await admin.info('replication')).includes('master_link_status:up'));
}

async function beginMove(slot: number, from: ClusterMember, to: ClusterMember): Promise<void> {
  await to.admin.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id);
  await from.admin.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id);
}

async function moveSlot(
  slot: number,
  { from, to, all }: { from: ClusterMember; to: ClusterMember; all: readonly ClusterMember[] },
): Promise<void> {
  await beginMove(slot, from, to);
  for (;;) {
    const keys = (await from.admin.call('CLUSTER', 'GETKEYSINSLOT', slot, 100)) as string[];
    if (keys.length === 0) break;
    await from.admin.call('MIGRATE', '127.0.0.1', to.server.port, '', 0, 5_000, 'KEYS', ...keys);
  }
  const others = all.filter((member) => member !== to && member.admin.status === 'ready');
  for (const { admin } of [to, ...others]) await admin.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
}

async function knows(admin: Redis, master: ClusterMember): Promise<boolean> {
  const nodes = String(await admin.cluster('NODES')).split('\n');
  const isOk = (await admin.cluster('INFO')).includes('cluster_state:ok');
  return isOk && nodes.some((line) => line.startsWith(master.id) && / (myself,)?master /.test(line));
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + WITHIN_MS; !(await isSo().catch(() => false)); await sleep(20))
    if (Date.now() > deadline) throw new Error(`the cluster did not get there within ${WITHIN_MS} ms`);
}

function first<Member>([member]: readonly Member[]): Member {
  if (member === undefined) throw new Error('no such member of the cluster');
  return member;
}

import {
  type DeadLease,
  type LeaseClaim,
  type LeaseState,
  NodeDirectory,
  type NodeInfo,
  type LeaseView,
  type SweepTimes,
} from '../sessions/node-directory.js';
import { ClusterOrigin } from './cluster-origin.js';
import { isCluster, onEachConnection, type RedisClient } from './redis-client.js';
import { orUnavailable } from './redis-fault.js';
import { type LeaseKeys, RedisKeys } from './redis-keys.js';
import type { RenewReply, ScriptedRedis } from './session-scripts.js';

const MAX_NODES = 1_000;
const MAX_DEAD = 100;
/** A node that slept for longer than this finds no tombstone, and joins as if it were new. */
const TOMBSTONE_MS = 24 * 3_600_000;

/** Leases in a sorted set by their end, in Redis' time. The client is the caller's and is not closed here. */
export class RedisNodeDirectory extends NodeDirectory {
  readonly #client: ScriptedRedis;
  readonly #keys: LeaseKeys;
  readonly #clusterOrigin: ClusterOrigin | undefined;
  #connections = 0;
  #connectionsSeen = 0;

  /** @param client With the scripts of `SESSION_SCRIPTS`. */
  constructor(client: RedisClient, prefix?: string) {
    super();
    this.#client = client as ScriptedRedis;
    this.#keys = new RedisKeys(prefix).leases;
    this.#clusterOrigin = isCluster(client) ? new ClusterOrigin(client) : undefined;
    onEachConnection(client, () => (this.#connections += 1));
  }

  async renew({ info, fence, leaseMs, joins = false, former = [] }: LeaseClaim): Promise<LeaseView> {
    const { leases, infos, swept, sweeps } = this.#keys;
    const connections = this.#connections;
    const reply = await orUnavailable(() =>
      this.#client.leaseRenew(
        [leases, infos, swept, sweeps],
        [fence, leaseMs, JSON.stringify(info), joins ? '1' : '0', MAX_DEAD, ...former],
      ),
    );
    const reconnected = connections !== this.#connectionsSeen;
    this.#connectionsSeen = connections;
    const renewal = { ...renewalOf(reply), reconnected };
    return this.#clusterOrigin === undefined
      ? renewal
      : { ...renewal, origin: await this.#clusterOrigin.current() };
  }

  claimSweeps(dead: readonly DeadLease[], { marginMs, againMs }: SweepTimes): Promise<readonly string[]> {
    const { leases, infos, swept, sweeps } = this.#keys;
    const seen = dead.flatMap(({ fence, leaseUntil }) => [fence, leaseUntil]);
    return orUnavailable(() =>
      this.#client.leaseSweep(
        [leases, infos, swept, sweeps],
        [marginMs, TOMBSTONE_MS, againMs.length, ...againMs, ...seen],
      ),
    );
  }

  async list(): Promise<readonly NodeInfo[]> {
    const { leases, infos } = this.#keys;
    const texts = await orUnavailable(() => this.#client.leaseList([leases, infos], [MAX_NODES]));
    return texts.flatMap((text) => (text === null ? [] : [JSON.parse(text) as NodeInfo]));
  }

  async withdraw(fence: string): Promise<void> {
    const { leases, infos } = this.#keys;
    await orUnavailable(() => this.#client.multi().zrem(leases, fence).hdel(infos, fence).exec());
  }
}

function renewalOf([state, leaseUntil, origin, nodes, dead, sweepsDue]: RenewReply): Omit<
  LeaseView,
  'reconnected'
> {
  return {
    state: state as LeaseState,
    leaseUntil,
    origin,
    nodes,
    dead: pairs(dead).map(([fence, until]) => ({ fence, leaseUntil: Number(until) })),
    sweepsDue: sweepsDue > 0,
  };
}

function pairs(flat: readonly string[]): readonly (readonly [string, string])[] {
  return Array.from(
    { length: flat.length / 2 },
    (_, index) => [flat[2 * index] ?? '', flat[2 * index + 1] ?? ''] as const,
  );
}

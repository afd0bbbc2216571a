import type { Cluster, Redis } from 'ioredis';
import { addressOf } from './cluster-address.js';

/**
 * Tells whose data a cluster holds: the replication ids of all its masters. Another one after a failover of any of them,
 * whose newest sessions may be lost though the leases, on another shard, are not.
 */
export class ClusterOrigin {
  readonly #cluster: Cluster;
  /** By address. A master that does not answer keeps the id that it had: who took over has an address of its own. */
  #ids = new Map<string, string>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  async current(): Promise<string> {
    const nodes = new Map(this.#cluster.nodes('master').map((node) => [addressOf(node), node]));
    const owners = new Set(this.#cluster.slots.flatMap(([owner]) => owner ?? []));
    const ids = await Promise.all([...owners].map((owner) => this.#idOf(owner, nodes.get(owner))));
    this.#ids = new Map(ids);
    return ids
      .map(([, id]) => id)
      .toSorted()
      .join();
  }

  async #idOf(owner: string, node: Redis | undefined): Promise<[owner: string, id: string]> {
    const known = this.#ids.get(owner) ?? '';
    const info = await node?.info('replication').catch(() => undefined);
    return [owner, /^master_replid:(\w+)/m.exec(info ?? '')?.[1] ?? known];
  }
}

import type { Cluster, Redis } from 'ioredis';

const REFRESH_MS = 5_000;

/** Has a cluster's client know the cluster as it is now, and its connections open before they are needed. */
export class ClusterUpkeep {
  readonly #cluster: Cluster;
  readonly #timer: NodeJS.Timeout;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    // Not while it still looks around: ioredis then asks only nodes that it connects itself.
    cluster.on('+node', () =>
      setImmediate(() => {
        if (cluster.status === 'ready') void this.connect();
      }),
    );
    // A master that was cut off from the others may not say that it no longer is one.
    this.#timer = setInterval(() => {
      if (cluster.status === 'ready') cluster.refreshSlotsCache();
    }, REFRESH_MS).unref();
  }

  /** Settles when every master that was not connected yet is, or could not be. */
  async connect(): Promise<void> {
    const unconnected = this.#cluster.nodes('master').filter(({ status }) => status === 'wait');
    await Promise.all(unconnected.map(connected));
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

async function connected(node: Redis): Promise<void> {
  await node.connect().catch(() => undefined);
}

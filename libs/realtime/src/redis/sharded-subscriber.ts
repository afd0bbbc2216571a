import { randomUUID } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import { BackplaneUnavailable, type BackplaneHealth } from '../publishing/backplane.js';
import { addressOf } from './cluster-address.js';
import { slotOfChannel } from './hash-slot.js';
import { SHARDED } from './pub-sub-verbs.js';
import { type Listening, SubscriberConnection } from './subscriber-connection.js';

/** No more often is the cluster asked who has which slots, however many of them move. */
const REFRESH_PAUSE_MS = 250;
const PROBE_NAMES = 100_000;

/**
 * A connection that listens to each master of a cluster, and hears the channels whose slots that one has. Where slots go to
 * another master their channels follow: subscribed there, and told as a gap. Who has which slots is told by the client for
 * commands, which looks every 5 s, and at once where a master turns a subscription down or ends one.
 */
export class ShardedSubscriber {
  readonly #cluster: Cluster;
  readonly #listening: Listening;
  readonly #probeName = `$probe:${randomUUID()}`;
  /** By the address of the master. */
  readonly #shards = new Map<string, SubscriberConnection>();
  #following: Promise<void> | undefined;
  #followAgain = false;
  #refresh: NodeJS.Timeout | undefined;
  #refreshedAt = -Infinity;
  #closed = false;

  /** @param cluster The client for commands: opened and closed by its owner. */
  constructor(cluster: Cluster, listening: Listening) {
    this.#cluster = cluster;
    this.#listening = listening;
  }

  /** Resolves once every master is listened to, or after the command timeout: it then goes on trying. */
  async open(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#listening.commandTimeoutMs);
      const opened = (): void => {
        clearTimeout(timer);
        resolve();
      };
      this.#cluster.on('refresh', () => void this.#follow().then(opened));
    });
  }

  subscribe(channel: string): Promise<void> {
    const shard = this.#shards.get(this.#ownerOf(channel));
    if (shard !== undefined) return shard.subscribe(channel);
    return Promise.reject(new BackplaneUnavailable('Redis: no master has the channel'));
  }

  unsubscribe(channel: string): void {
    // While it moves it may be on another shard than the one that its slot is on.
    for (const shard of this.#shards.values()) shard.unsubscribe(channel);
  }

  /** Up where every shard is. */
  async probe(timeoutMs: number): Promise<BackplaneHealth> {
    const shards = [...this.#shards.values()];
    if (shards.length === 0) return { up: false, reason: 'Redis: the cluster is not connected' };
    const health = await Promise.all(shards.map((shard) => shard.probe(timeoutMs)));
    return health.find(({ up }) => !up) ?? slowestOf(health);
  }

  async check(): Promise<void> {
    await Promise.all([...this.#shards.values()].map((shard) => shard.check()));
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#refresh);
    await Promise.all([...this.#shards.values()].map((shard) => shard.close()));
  }

  #follow(): Promise<void> {
    this.#followAgain = this.#following !== undefined;
    this.#following ??= this.#followAll().finally(() => (this.#following = undefined));
    return this.#following;
  }

  async #followAll(): Promise<void> {
    do {
      this.#followAgain = false;
      if (this.#closed) return;
      await this.#openShards();
      this.#move();
      await Promise.all([...this.#shards.values()].map((shard) => shard.mend()));
    } while (this.#followAgain);
  }

  async #openShards(): Promise<void> {
    const nodes = this.#cluster.nodes('master');
    const added = nodes.filter(
      (node) => !this.#shards.has(addressOf(node)) && this.#hasSlots(addressOf(node)),
    );
    await Promise.all(added.map((node) => this.#openShard(node)));
  }

  async #openShard(node: Redis): Promise<void> {
    const address = addressOf(node);
    const probeChannel = this.#probeChannelOf(address);
    const onStale = (): void => this.#refreshSoon();
    const ear = { source: { client: node }, verbs: SHARDED, probeChannel, onStale };
    const shard = new SubscriberConnection(ear, this.#listening);
    this.#shards.set(address, shard);
    await shard.open();
    if (this.#closed) await shard.close();
  }

  /** Hands channels to who has their slots now, and gives those up who have none. */
  #move(): void {
    for (const [address, shard] of this.#shards) {
      for (const channel of shard.channels()) {
        const owner = this.#shards.get(this.#ownerOf(channel));
        if (owner === undefined || owner === shard) continue;
        shard.unsubscribe(channel);
        owner.adopt([channel]);
      }
      if (!this.#hasSlots(address) && shard.channels().length === 0) this.#giveUp(address, shard);
      else if (this.#ownerOf(shard.probeChannel) !== address) shard.probeIn(this.#probeChannelOf(address));
    }
  }

  #giveUp(address: string, shard: SubscriberConnection): void {
    this.#shards.delete(address);
    void shard.close();
  }

  #refreshSoon(): void {
    if (this.#closed || this.#refresh !== undefined) return;
    const waitMs = Math.max(0, this.#refreshedAt + REFRESH_PAUSE_MS - performance.now());
    this.#refresh = setTimeout(() => {
      this.#refresh = undefined;
      this.#refreshedAt = performance.now();
      this.#cluster.refreshSlotsCache();
    }, waitMs).unref();
  }

  #ownerOf(channel: string): string {
    return this.#cluster.slots[slotOfChannel(channel)]?.[0] ?? '';
  }

  #hasSlots(address: string): boolean {
    return this.#cluster.slots.some(([owner]) => owner === address);
  }

  /** A name that only this master's connection hears. */
  #probeChannelOf(address: string): string {
    for (let number = 0; number < PROBE_NAMES; number += 1) {
      const name = `${this.#probeName}:${number}`;
      if (this.#ownerOf(name) === address) return name;
    }
    return this.#probeName;
  }
}

function slowestOf(health: readonly BackplaneHealth[]): BackplaneHealth {
  const times = health.map((each) => (each.up ? each.roundTripMs : 0));
  return { up: true, roundTripMs: Math.max(...times) };
}

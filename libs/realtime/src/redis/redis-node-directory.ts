import type { Redis } from 'ioredis';
import { NodeDirectory, type NodeInfo } from '../sessions/node-directory.js';
import { RedisKeys } from './redis-keys.js';

const ENTRY_LIFE_MS = 10_000;
const INDEX_LIFE_MS = 60_000;
const MAX_NODES = 1_000;

/**
 * One key per node that expires by itself, and an index of their names which `list` prunes. The client is the caller's
 * and is not closed here.
 */
export class RedisNodeDirectory extends NodeDirectory {
  readonly #client: Redis;
  readonly #keys: RedisKeys;
  #self: NodeInfo | undefined;

  constructor(client: Redis, prefix?: string) {
    super();
    this.#client = client;
    this.#keys = new RedisKeys(prefix);
  }

  async announce(info: NodeInfo): Promise<void> {
    this.#self = info;
    const { nodes } = this.#keys;
    await this.#bestEffort(() =>
      this.#client
        .multi()
        .set(this.#keys.node(info.node), JSON.stringify(info), 'PX', ENTRY_LIFE_MS)
        .zadd(nodes, Date.now(), info.node)
        .pexpire(nodes, INDEX_LIFE_MS)
        .exec(),
    );
  }

  async list(): Promise<readonly NodeInfo[]> {
    const own = this.#self === undefined ? [] : [this.#self];
    const others = (await this.#bestEffort(() => this.#read())) ?? [];
    return [...own, ...others.filter(({ node }) => node !== this.#self?.node)];
  }

  async withdraw(): Promise<void> {
    const info = this.#self;
    this.#self = undefined;
    if (info === undefined) return;
    await this.#bestEffort(() =>
      this.#client.multi().del(this.#keys.node(info.node)).zrem(this.#keys.nodes, info.node).exec(),
    );
  }

  async #read(): Promise<readonly NodeInfo[]> {
    const names = await this.#client.zrevrange(this.#keys.nodes, 0, MAX_NODES - 1);
    if (names.length === 0) return [];
    const entries = await this.#client.mget(names.map((name) => this.#keys.node(name)));
    const gone = names.filter((_, index) => entries[index] === null);
    if (gone.length > 0) await this.#client.zrem(this.#keys.nodes, ...gone);
    return entries.flatMap((entry) => (entry === null ? [] : [JSON.parse(entry) as NodeInfo]));
  }

  // Nothing is decided by the directory: while Redis is away a node knows itself.
  async #bestEffort<Value>(act: () => Promise<Value>): Promise<Value | undefined> {
    try {
      return await act();
    } catch {
      return undefined;
    }
  }
}

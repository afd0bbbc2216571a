import type { SessionEvent } from '@aerie/realtime';
import type { TestClient } from '@aerie/realtime/testing';
import { type ExpectStatic, vi } from 'vitest';
import { ALL_ZERO, gaugesOf } from './gauges.js';
import type { TestRedis } from './redis-kinds.js';
import { SessionNode } from './session-node.js';
import { Watcher } from './watcher.js';

export const ONLINE = ['connected', 'online'] as const;
export const STORY = [...ONLINE, 'disconnected', 'offline'] as const;
/** Within which what is under way is seen everywhere. */
export const SOON = { timeout: 10_000, interval: 25 };

/** Nodes of an application on one Redis, and what of its sessions and presence is seen. */
export class SessionFleet {
  readonly nodes: SessionNode[] = [];
  readonly #watchers: Watcher[] = [];

  constructor(
    readonly redis: Pick<TestRedis, 'url' | 'keys' | 'stop'>,
    readonly leaseMs = 2_000,
  ) {}

  /** From a death to its sweep: the lease, the margin, two sightings, and room for a busy machine. */
  get swept(): { readonly timeout: number; readonly interval: number } {
    return { timeout: 20_000 + 3 * this.leaseMs, interval: 50 };
  }

  /** The nodes are named `one`, `two` and so on. */
  async start(count: number, env: Readonly<Record<string, string>> = {}): Promise<this> {
    const names = ['one', 'two', 'three'].slice(0, count);
    await Promise.all(names.map((name) => this.add(name, env)));
    return this;
  }

  async add(name: string, env: Readonly<Record<string, string>> = {}): Promise<SessionNode> {
    const settings = { REDIS_URL: this.redis.url, LEASE_MS: `${this.leaseMs}`, ...env };
    const node = new SessionNode(name, settings);
    this.nodes.push(node);
    return node.started();
  }

  node(name: string): SessionNode {
    const node = this.nodes.find((one) => one.name === name);
    if (node === undefined) throw new Error(`there is no ${name}`);
    return node;
  }

  /** A client of the SDK that is in a channel and sees who else is. */
  watch(node: SessionNode, user: string, { room, port = node.port }: { room: string; port?: number }) {
    const watcher = new Watcher(`ws://127.0.0.1:${port}/ws`, user, room);
    this.#watchers.push(watcher);
    return watcher.subscribed();
  }

  /** A plain client in a channel. */
  async enter(node: SessionNode, user: string, room: string): Promise<TestClient> {
    const client = await node.connect(user);
    await client.request('$subscribe', { channel: room });
    return client;
  }

  /** What the applications of all nodes were told of a user, each event once, in the order of the store. */
  eventsOf(user: string): readonly SessionEvent[] {
    const told = this.nodes.flatMap(({ events }) => events).filter((event) => event.user === user);
    return [...new Map(told.map((event) => [event.id, event])).values()].toSorted((a, b) => a.at - b.at);
  }

  typesOf(user: string): readonly string[] {
    return this.eventsOf(user).map(({ type }) => type);
  }

  /** How often any node was told of an event. */
  timesTold(id: string): number {
    return this.nodes.flatMap(({ events }) => events).filter((event) => event.id === id).length;
  }

  /** Everyone says goodbye; then nothing is left in the store, and on no living node. */
  async leavesNothing(expect: ExpectStatic): Promise<void> {
    for (const watcher of this.#watchers.splice(0)) watcher.close();
    const living = this.nodes.filter(({ isAlive }) => isAlive);
    await Promise.all(living.map((node) => node.dismiss()));
    await this.hasOnly([], expect);
    for (const node of living)
      await vi.waitFor(async () => expect(await gaugesOf(node)).toEqual(ALL_ZERO), this.swept);
    for (const rest of ['*:presence:*', '*{presence}*', '*}:of:*'])
      await vi.waitFor(async () => expect(await this.redis.keys(rest)).toEqual([]), this.swept);
  }

  /** The store has nothing but what belongs to these users and to living nodes. */
  async hasOnly(users: readonly string[], expect: ExpectStatic): Promise<void> {
    await vi.waitFor(async () => {
      const keys = await this.redis.keys('*}:user:*');
      expect(new Set(keys.map((key) => key.split(':').at(-1)))).toEqual(new Set(users));
      for (const rest of ['*}:due', '*}:events', '*}:unsaid'])
        expect(await this.redis.keys(rest)).toEqual([]);
    }, this.swept);
  }

  async close(): Promise<void> {
    for (const watcher of this.#watchers) watcher.close();
    for (const node of this.nodes) node.resume();
    await Promise.all(this.nodes.map((node) => node.kill()));
    await this.redis.stop();
  }
}

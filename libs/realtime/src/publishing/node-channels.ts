import type { Connection } from '../connections/connection.js';
import type { ConnectionRegistry } from '../connections/connection-registry.js';
import type { NodeCursors } from '../history/node-cursors.js';
import type { Backplane } from './backplane.js';
import type { LocalFanout } from './local-fanout.js';

const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 5_000;
/** One promise for every channel that is listened to. */
const LISTENING = Promise.resolve();

/** Keeps up with what channels have beside their frames. */
export type ChannelFollower = Pick<NodeCursors, 'follow' | 'release'>;

export interface NodeChannelsOptions {
  readonly registry: ConnectionRegistry;
  readonly backplane: Backplane;
  readonly fanout: LocalFanout;
  /** Follows what a channel has beside its frames: a history, or members. */
  readonly cursors?: ChannelFollower;
}

/** What a join does beside making a member. */
export interface JoinSteps {
  /** Awaited once the backplane listens. */
  readonly prepare?: () => Promise<void>;
  /** Runs in the step of the join, before the channel's first frame; for who is a member already, between two frames. */
  readonly before?: () => void;
}

/** A channel that this node listens to for as long as somebody holds it. */
export interface Hold {
  /** Makes `connection` a member, which then holds it itself. True if it is one then, false if it is gone. */
  enter(connection: Connection, before?: () => void): boolean;
  /** Where nobody entered. */
  release(): void;
}

interface Channel {
  /** Resolves when the backplane acknowledged the subscription and, with a history, the node knows its place in it. */
  ready: Promise<void>;
  /** Members plus joins under way: at 0 this node stops listening. */
  holders: number;
  /** The next try to subscribe, where the last one failed: its timer, also while the try is under way. */
  retry?: NodeJS.Timeout | undefined;
}

/**
 * Which channels this node listens to: one backplane subscription per channel with a member, however many members. A
 * member joins after the acknowledgement, so that nothing published after its reply is missed.
 */
export class NodeChannels {
  readonly #options: NodeChannelsOptions;
  readonly #channels = new Map<string, Channel>();
  #closed = false;

  constructor(options: NodeChannelsOptions) {
    this.#options = options;
    options.registry.onLeft((connection, channel) => {
      connection.mark(channel, undefined);
      this.#release(channel);
    });
  }

  /**
   * Makes `connection` a member once the backplane listens. True if it is one then, false if it is gone. Rejects with
   * `BackplaneUnavailable` if the backplane, or a step, can't.
   */
  async join(connection: Connection, channel: string, { prepare, before }: JoinSteps = {}): Promise<boolean> {
    const hold = await this.hold(channel);
    try {
      if (prepare !== undefined) await prepare();
    } catch (error) {
      hold.release();
      throw error;
    }
    return hold.enter(connection, before);
  }

  /** Resolves once the backplane listens. Rejects as `join` does. */
  async hold(channel: string): Promise<Hold> {
    const entry = this.#hold(channel);
    try {
      await entry.ready;
    } catch (error) {
      this.#release(channel);
      throw error;
    }
    return {
      enter: (connection, before) => this.#enterHeld(connection, channel, before),
      release: () => this.#release(channel),
    };
  }

  /** The same for a channel that the server gives (a user's own): with the backplane away it joins now and hears later. */
  async joinAnyway(connection: Connection, channel: string, before: () => void): Promise<void> {
    const entry = this.#hold(channel);
    const heard = await entry.ready.then(
      () => true,
      () => false,
    );
    if (!this.#enter(connection, channel, before)) return this.#release(channel);
    if (!heard) this.#retry(channel, entry);
  }

  /** Listens to an internal channel for as long as the node lives; with the backplane away, as soon as it is back. */
  async listen(channel: string): Promise<void> {
    const entry = this.#hold(channel);
    await entry.ready.catch(() => this.#retry(channel, entry));
  }

  /** Takes a member out after it got what was published before. */
  leave(connection: Connection, channel: string): boolean {
    this.#options.fanout.settle(channel, connection);
    return this.#options.registry.leave(connection, channel);
  }

  close(): void {
    this.#closed = true;
    for (const { retry } of this.#channels.values()) clearTimeout(retry);
  }

  #enterHeld(connection: Connection, channel: string, before?: () => void): boolean {
    if (this.#enter(connection, channel, before)) return true;
    const isMember = connection.isOpen && connection.channels.has(channel);
    if (isMember) this.#options.fanout.settle(channel, connection);
    if (isMember) before?.();
    this.#release(channel);
    return isMember;
  }

  #enter(connection: Connection, channel: string, before?: () => void): boolean {
    this.#options.fanout.flush(channel);
    if (!connection.isOpen || !this.#options.registry.join(connection, channel)) return false;
    before?.();
    return true;
  }

  #hold(channel: string): Channel {
    const known = this.#channels.get(channel);
    if (known !== undefined) {
      known.holders += 1;
      return known;
    }
    const ready = this.#listenTo(channel);
    const entry: Channel = { ready, holders: 1 };
    ready.then(
      () => (entry.ready = LISTENING),
      () => undefined,
    );
    this.#channels.set(channel, entry);
    return entry;
  }

  #release(channel: string): void {
    const entry = this.#channels.get(channel);
    if (entry === undefined) return;
    entry.holders -= 1;
    if (entry.holders > 0) return;
    this.#channels.delete(channel);
    clearTimeout(entry.retry);
    this.#options.cursors?.release(channel);
    this.#options.backplane.unsubscribe(channel);
  }

  #listenTo(channel: string): Promise<void> {
    const subscribed = this.#options.backplane.subscribe(channel);
    return this.#options.cursors?.follow(channel, subscribed) ?? subscribed;
  }

  #retry(channel: string, entry: Channel, waitMs = RETRY_MIN_MS): void {
    if (entry.retry !== undefined || !this.#wants(channel, entry)) return;
    const jitteredMs = waitMs * (0.5 + Math.random() / 2);
    entry.retry = setTimeout(() => void this.#subscribeAgain(channel, entry, waitMs), jitteredMs).unref();
  }

  async #subscribeAgain(channel: string, entry: Channel, waitMs: number): Promise<void> {
    entry.ready = this.#listenTo(channel);
    const heard = await entry.ready.then(
      () => true,
      () => false,
    );
    entry.retry = undefined;
    if (!heard) this.#retry(channel, entry, Math.min(RETRY_MAX_MS, waitMs * 2));
  }

  #wants(channel: string, entry: Channel): boolean {
    return !this.#closed && this.#channels.get(channel) === entry;
  }
}

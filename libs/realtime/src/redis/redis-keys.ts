/** Bumped when the meaning of a key changes: releases with different numbers don't see each other. */
const LAYOUT = '1';

/**
 * Every key and Pub/Sub channel of this library. What belongs to one channel has the channel as its hash tag, so that one
 * script may touch all of it in a cluster.
 */
export class RedisKeys {
  readonly #root: string;

  /** @param prefix Shared by all nodes that belong together. Default `aerie:`; without braces, which would be a hash tag. */
  constructor(prefix = 'aerie:') {
    if (/[{}\s]/.test(prefix)) throw new Error('The Redis prefix may not contain braces or white space');
    this.#root = `${prefix}${LAYOUT}:`;
  }

  /** The Pub/Sub channel on which a channel's frames arrive. */
  live(channel: string): string {
    return `${this.#root}{${channel}}:live`;
  }

  /** The channel behind a Pub/Sub channel, or undefined for somebody else's. */
  channelOf(live: string): string | undefined {
    if (!live.startsWith(`${this.#root}{`) || !live.endsWith('}:live')) return undefined;
    return live.slice(this.#root.length + 1, -'}:live'.length);
  }

  /** That an announcement with this idempotency key was made in the channel. */
  once(channel: string, idempotencyKey: string): string {
    return `${this.#root}{${channel}}:once:${idempotencyKey}`;
  }

  /** The stream of a channel's publications. */
  history(channel: string): string {
    return `${this.#root}{${channel}}:history`;
  }

  /** What a channel's history is: its epoch, and what that is bound to. */
  historyMeta(channel: string): string {
    return `${this.#root}{${channel}}:history:meta`;
  }

  /** The stream of revocations. */
  get revocations(): string {
    return `${this.#root}revocations`;
  }

  /** Of the nodes' leases: one slot, as a script looks at all of them. */
  get leases(): LeaseKeys {
    const root = `${this.#root}{nodes}:`;
    return {
      leases: `${root}leases`,
      infos: `${root}infos`,
      swept: `${root}swept`,
      sweeps: `${root}sweeps`,
    };
  }

  /** Of the sessions in one bucket of users. */
  sessions(bucket: number): BucketKeys {
    const root = `${this.#root}{s${bucket}}:`;
    return {
      due: `${root}due`,
      events: `${root}events`,
      unsaid: `${root}unsaid`,
      user: (user) => `${root}user:${user}`,
      held: (user) => `${root}held:${user}`,
      index: (fence) => `${root}of:${fence}`,
    };
  }
}

export interface LeaseKeys {
  /** Fences by the end of their lease. */
  readonly leases: string;
  /** What nodes say of themselves, by fence. */
  readonly infos: string;
  /** Fences by the time of their first sweep. */
  readonly swept: string;
  /** Fences by their next sweep. */
  readonly sweeps: string;
}

export interface BucketKeys {
  /** Users by the end of their grace. */
  readonly due: string;
  /** Events by id. */
  readonly events: string;
  /** Ids of events by the time from which others may claim them. */
  readonly unsaid: string;
  /** A user's connections. */
  user(user: string): string;
  /** Places held for connections of a user that are on their way. */
  held(user: string): string;
  /** What stands under a fence in this bucket. */
  index(fence: string): string;
}

import { channelOfPresence, presenceChannel } from '../publishing/internal-channels.js';

/** Bumped when the meaning of a key changes: releases with different numbers don't see each other. */
const LAYOUT = '1';
const LIVE = '}:live';
const LIVE_PRESENCE = '}:presence:live';

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

  /** The Pub/Sub channel on which a channel's frames arrive; of a presence channel, in the slot of what it is about. */
  live(channel: string): string {
    const about = channelOfPresence(channel);
    return about === undefined ? `${this.#root}{${channel}${LIVE}` : `${this.#root}{${about}${LIVE_PRESENCE}`;
  }

  /** The channel behind a Pub/Sub channel, or undefined for somebody else's. */
  channelOf(live: string): string | undefined {
    if (!live.startsWith(`${this.#root}{`)) return undefined;
    const start = this.#root.length + 1;
    if (live.endsWith(LIVE)) return live.slice(start, -LIVE.length);
    return live.endsWith(LIVE_PRESENCE)
      ? presenceChannel(live.slice(start, -LIVE_PRESENCE.length))
      : undefined;
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

  /** Of the members of a channel. */
  presence(channel: string): PresenceKeys {
    const root = `${this.#root}{${channel}}:presence:`;
    return {
      entries: `${root}entries`,
      counts: `${root}counts`,
      users: `${root}users`,
      due: `${root}due`,
      version: `${root}version`,
      live: this.live(presenceChannel(channel)),
      index: (fence) => `${root}of:${fence}`,
    };
  }

  /** Where to look for members that are to be taken out: one slot, apart from the channels'. */
  get presenceIndex(): PresenceIndexKeys {
    const root = `${this.#root}{presence}:`;
    return { due: `${root}due`, channels: (fence) => `${root}of:${fence}` };
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

export interface PresenceKeys {
  /** `<fence> <user>` by connection. */
  readonly entries: string;
  /** Connections by user; 0 while a grace runs. */
  readonly counts: string;
  /** Users in the order of their bytes. */
  readonly users: string;
  /** Users by the end of their grace. */
  readonly due: string;
  readonly version: string;
  /** The Pub/Sub channel of its changes. */
  readonly live: string;
  /** Connections that stand under a fence. */
  index(fence: string): string;
}

export interface PresenceIndexKeys {
  /** `<second> <channel>` by that second, in which a grace ends in the channel. */
  readonly due: string;
  /** Channels in which something stands under a fence, and maybe some in which nothing does. */
  channels(fence: string): string;
}

import type { Member } from '@aerie/protocol';
import type { Report, Unlisten } from './emitter.js';
import type { Exchange } from './exchange.js';

/** A user came, or went. */
export interface PresenceChange extends Member {
  /** When, by the server's clock, in epoch milliseconds. Absent where only comparing two sets showed it. */
  readonly at?: number;
}

/** What can be heard of a channel's members. */
export interface PresenceEvents {
  /** Once for everyone whom the first set has, this client's own user included, and for each user that comes. */
  readonly join: PresenceChange;
  /** For each user that went, found out after a reconnect as well. */
  readonly leave: PresenceChange;
  /** All members, after one or more of them changed. */
  readonly change: readonly Member[];
}

/** Keeps who is in one channel, out of what the server tells. */
export interface MemberKeeper {
  readonly members: readonly Member[];
  on(event: string, listener: (value: unknown) => unknown): Unlisten;
  /** A set that has its place among the changes; anything else is ignored. */
  take(data: unknown): void;
  /** `$join` and `$leave`. */
  apply(kind: 'join' | 'leave', data: unknown): void;
  /** No change comes any more. Who was there stands until the next set. */
  cut(): void;
  /** It is not known any more who is there. */
  clear(): void;
  /** Takes the listeners off, and knows nobody any more. */
  forget(): void;
}

export interface MemberKeeperPorts {
  readonly channel: string;
  readonly exchange: Pick<Exchange, 'ask'>;
  readonly report: Report;
  /** Changes are missing: a set is to be asked for. */
  readonly lost: () => void;
}

/** Makes what keeps the members of each channel: `presence()` of `@aerie/client/presence` does. */
export type KeepPresence = (ports: MemberKeeperPorts) => MemberKeeper;

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

/** Who is in a channel: each user once, however many devices. */
export interface ChannelPresence {
  /**
   * Everyone who is known to be there; nobody until a listener asked and the server answered. Without a connection
   * those of before, until the next one shows who came and went meanwhile.
   */
  readonly members: readonly Member[];
  /**
   * Listens, and asks the server for the members if that was not done yet, subscribing where need be. They are told
   * until `unsubscribe()`. Where the channel has no presence `onError` hears of it, and the channel goes on without.
   */
  on<Name extends keyof PresenceEvents>(
    event: Name,
    listener: (value: PresenceEvents[Name]) => unknown,
  ): Unlisten;
}

/** Keeps who is in one channel, out of what the server tells. */
export interface MemberKeeper extends ChannelPresence {
  /** `$presence`, a set that has its place among the changes; `$join` and `$leave`. Anything else is ignored. */
  obey(event: string, data: unknown): void;
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
  /** A set is to be asked for; `anew`: once more, as changes are missing. */
  readonly watch: (anew: boolean) => void;
}

/** Makes what keeps the members of each channel: `presence()` of `@aerie/client/presence` does. */
export type KeepPresence = (ports: MemberKeeperPorts) => MemberKeeper;

import type { Member } from '@aerie/protocol';
import type { Unlisten } from './emitter.js';
import type { PresenceChange } from './presence-replica.js';
import type { Subscriptions } from './subscriptions.js';

/** What can be heard of a channel's members. */
export interface PresenceEvents {
  /** Once for everyone whom the first set has, this client's own user included, and for each user that comes. */
  readonly join: PresenceChange;
  /** For each user that went, found out after a reconnect as well. */
  readonly leave: PresenceChange;
  /** All members, after one or more of them changed. */
  readonly change: readonly Member[];
}

/** Who is in a channel: each user once, however many devices. A handle only. */
export class ChannelPresence {
  readonly #channel: string;
  readonly #subscriptions: Subscriptions;

  constructor(channel: string, subscriptions: Subscriptions) {
    this.#channel = channel;
    this.#subscriptions = subscriptions;
  }

  /**
   * Everyone who is known to be there; nobody until a listener asked and the server answered. Without a connection
   * those of before, until the next one shows who came and went meanwhile.
   */
  get members(): readonly Member[] {
    return this.#subscriptions.find(this.#channel)?.presence.members ?? [];
  }

  /**
   * Listens, and asks the server for the members if that was not done yet, subscribing where need be. They are told
   * until `unsubscribe()`. Where the channel has no presence `onError` hears of it, and the channel goes on without.
   */
  on<Name extends keyof PresenceEvents>(
    event: Name,
    listener: (value: PresenceEvents[Name]) => unknown,
  ): Unlisten {
    const subscription = this.#subscriptions.obtain(this.#channel);
    const unlisten = subscription.presence.events.on(event, listener as (value: unknown) => unknown);
    subscription.watch();
    return unlisten;
  }
}

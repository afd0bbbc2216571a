import type { Member } from '@aerie/protocol';
import type { Unlisten } from './emitter.js';
import type { PresenceEvents } from './member-keeper.js';
import type { Subscriptions } from './subscriptions.js';

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
    return this.#subscriptions.find(this.#channel)?.presence?.members ?? [];
  }

  /**
   * Listens, and asks the server for the members if that was not done yet, subscribing where need be. They are told
   * until `unsubscribe()`. Where the channel has no presence `onError` hears of it, and the channel goes on without.
   * @throws TypeError for a client without the option `presence`.
   */
  on<Name extends keyof PresenceEvents>(
    event: Name,
    listener: (value: PresenceEvents[Name]) => unknown,
  ): Unlisten {
    const subscription = this.#subscriptions.obtain(this.#channel);
    if (!subscription.presence) throw new TypeError('This needs the option `presence: presence()`');
    const unlisten = subscription.presence.on(event, listener as (value: unknown) => unknown);
    subscription.watch();
    return unlisten;
  }
}

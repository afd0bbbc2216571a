import type { PublicationFrame, PublishReply, SubscribeReply } from '@aerie/protocol';
import { ChannelPresence } from './channel-presence.js';
import type { ChannelState, Resync } from './channel-state.js';
import type { Unlisten } from './emitter.js';
import type { EventName } from './events.js';
import type { Publisher, PublishOptions } from './publisher.js';
import type { Subscriptions } from './subscriptions.js';

interface ChannelPorts {
  readonly subscriptions: Subscriptions;
  readonly publisher: Publisher;
}

const IDLE: ChannelState = { status: 'idle' };

/**
 * One channel. Its own events come by `on`; what happens to the subscription comes by `onState` and `onResync`, so that
 * the two can't collide whatever the application names its events. A handle only: get one as often as you like.
 */
export class Channel<Events extends object = Record<string, unknown>> {
  readonly name: string;
  /** Who is in it. */
  readonly presence: ChannelPresence;
  readonly #ports: ChannelPorts;

  constructor(name: string, ports: ChannelPorts) {
    this.name = name;
    this.#ports = ports;
    this.presence = new ChannelPresence(name, ports.subscriptions);
  }

  get state(): ChannelState {
    return this.#ports.subscriptions.find(this.name)?.state ?? IDLE;
  }

  /** Listens to one event of the channel, and subscribes if that was not asked yet. */
  on<Name extends EventName<Events>>(
    event: Name,
    listener: (data: Events[Name], frame: PublicationFrame) => unknown,
  ): Unlisten {
    const subscription = this.#ports.subscriptions.obtain(this.name);
    const unlisten = subscription.events.on(
      event,
      listener as (data: unknown, frame: PublicationFrame) => unknown,
    );
    subscription.want();
    return unlisten;
  }

  /** Listens to changes of `state`. */
  onState(listener: (state: ChannelState) => unknown): Unlisten {
    return this.#ports.subscriptions.obtain(this.name).states.add(listener);
  }

  /** Listens for losses: drop what you built from this channel and load it anew. */
  onResync(listener: (resync: Resync) => unknown): Unlisten {
    return this.#ports.subscriptions.obtain(this.name).resyncs.add(listener);
  }

  /**
   * Subscribes, also after a refusal. From then on every reconnect subscribes again by itself. Waits for the server's
   * yes or no through lost connections and passing failures.
   * @throws RealtimeError with the server's code, or `unavailable` when the client stops or the channel is left.
   */
  subscribe(): Promise<SubscribeReply> {
    return this.#ports.subscriptions.obtain(this.name).subscribe();
  }

  /** Leaves the channel and takes all its listeners off. */
  async unsubscribe(): Promise<void> {
    await this.#ports.subscriptions.find(this.name)?.leave();
  }

  /**
   * Publishes; needs no subscription. While the outcome is unknown (lost connection, time-out, `unavailable`) it is
   * repeated with the same idempotency key, at most five times, so that it happens once.
   * @throws RealtimeError with the server's code, or `overloaded` when too much waits for a connection.
   */
  publish<Name extends EventName<Events>>(
    event: Name,
    data: Events[Name],
    options?: PublishOptions,
  ): Promise<PublishReply> {
    return this.#ports.publisher.publish({ channel: this.name, event, data }, options);
  }
}

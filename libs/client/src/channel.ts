import type { HistoryReply, PublicationFrame, PublishReply, SubscribeReply } from '@aerie/protocol';
import { ChannelPresence } from './channel-presence.js';
import type { ChannelState, Resync } from './channel-state.js';
import type { Unlisten } from './emitter.js';
import type { Abortable, EventName, Publication } from './events.js';
import type { Exchange, RequestOptions } from './exchange.js';
import type { Publisher, PublishOptions } from './publisher.js';
import { readHistoryReply } from './server-frame.js';
import type { Subscriptions } from './subscriptions.js';

interface ChannelPorts {
  readonly exchange: Exchange;
  readonly subscriptions: Subscriptions;
  readonly publisher: Publisher;
}

/** Which publications of a channel's history. */
export interface HistoryOptions extends RequestOptions {
  /** Those behind this offset. Without it: the newest. */
  readonly after?: number;
  /** At most so many, 1-100. Default 100. */
  readonly limit?: number;
}

/** A page of a channel's history, oldest first. `offset` is the channel's: as long as the last one is lower, there is more behind it. */
export interface HistoryPage<Events extends object> extends HistoryReply {
  readonly publications: readonly Publication<Events>[];
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
   * yes or no through lost connections and passing failures; an abort ends the waiting, `unsubscribe` leaves the channel.
   * @throws RealtimeError with the server's code, or `unavailable` when the client stops or the channel is left; the
   * signal's reason.
   */
  subscribe({ signal }: Abortable = {}): Promise<SubscribeReply> {
    return this.#ports.subscriptions.obtain(this.name).subscribe(signal);
  }

  /**
   * Every publication of the channel, whatever its event, from the first read on, which subscribes as `subscribe` does.
   * Ends when the channel is left or taken away, or the client stops; breaking off leaves the channel subscribed. What is
   * lost to the history is told by `onResync` only.
   * @throws RealtimeError with the server's code where it refuses, `overloaded` behind 1,000 unread publications; the
   * signal's reason.
   */
  async *publications({ signal }: Abortable = {}): AsyncGenerator<Publication<Events>, void, undefined> {
    const publications = this.#ports.subscriptions.obtain(this.name).read(signal);
    yield* publications as AsyncGenerator<Publication<Events>, void, undefined>;
  }

  /** `publications()`: for `for await (const { event, data } of channel)`. */
  [Symbol.asyncIterator](): AsyncGenerator<Publication<Events>, void, undefined> {
    return this.publications();
  }

  /**
   * A page of the channel's history; needs no subscription.
   * @throws RealtimeError as `request` does: `not_found` for a channel without a history; the signal's reason.
   */
  async history({ after, limit, ...options }: HistoryOptions = {}): Promise<HistoryPage<Events>> {
    const message = { event: '$history', data: { channel: this.name, after, limit } };
    const reply = await this.#ports.exchange.request(message, options);
    return readHistoryReply(this.name, reply) as HistoryPage<Events>;
  }

  /** Leaves the channel and takes all its listeners off. */
  async unsubscribe(): Promise<void> {
    await this.#ports.subscriptions.find(this.name)?.leave();
  }

  /**
   * Publishes; needs no subscription. While the outcome is unknown (lost connection, time-out, `unavailable`) it is
   * repeated with the same idempotency key, at most five times, so that it happens once.
   * @throws RealtimeError with the server's code, or `overloaded` when too much waits for a connection; the signal's reason.
   */
  publish<Name extends EventName<Events>>(
    event: Name,
    data: Events[Name],
    options?: PublishOptions,
  ): Promise<PublishReply> {
    return this.#ports.publisher.publish({ channel: this.name, event, data }, options);
  }
}

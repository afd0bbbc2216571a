import type { Position, PublicationFrame, PublishReply, SubscribeReply } from '@aerie/protocol';
import { readAmong, type Backlog } from './backlog.js';
import type { ChannelState, Resync } from './channel-state.js';
import { Emitter, Listeners, type Report, type Unlisten } from './emitter.js';
import { failure, hasCode, RealtimeError, stopped } from './errors.js';
import type { Abortable, EventName, Publication } from './events.js';
import type { Exchange, Line } from './exchange.js';
import { readHistory, type HistoryOptions, type HistoryPage } from './history.js';
import type { ChannelPresence, KeepPresence, MemberKeeper } from './member-keeper.js';
import { createMembership, type Membership } from './membership.js';
import { onAbort } from './on-abort.js';
import { publish, type PublishOptions } from './publish.js';
import { fieldsOf, positionOf, type SystemFrame } from './server-frame.js';

/** What a server sends ahead of its reply is no more than a round trip's worth. */
const MAX_EARLY = 1_000;
const IDLE: ChannelState = { status: 'idle' };

export interface ChannelPorts {
  readonly line: Line;
  readonly exchange: Exchange;
  readonly report: Report;
  readonly presence: KeepPresence | undefined;
  /** The channels that have to hear what comes, as they are wanted, held or listened to. */
  readonly active: Map<string, ChannelEars>;
}

/** What a channel has to hear. */
export interface ChannelEars {
  /** There is a new connection. */
  opened(): void;
  /** The connection is gone, and what the server held with it. */
  cut(): void;
  /** The client stops: no timer is left. */
  stop(): void;
  /** A publication came. */
  take(frame: PublicationFrame): void;
  /** The server says something of it. */
  obey(frame: SystemFrame): void;
}

/**
 * One channel. Its own events come by `on`; what happens to the subscription comes by `onState` and `onResync`, so that
 * the two can't collide whatever the application names its events. `channel(name)` of a client gives the same one each time.
 */
export class Channel<Events extends object = Record<string, unknown>> {
  readonly name: string;
  readonly #ports: ChannelPorts;
  readonly #events: Emitter<[data: unknown, frame: PublicationFrame]>;
  #states: Listeners<[state: ChannelState]>;
  readonly #resyncs: Listeners<[resync: Resync]>;
  readonly #members: MemberKeeper | undefined;
  readonly #membership: Membership;
  readonly #joining = new Set<PromiseWithResolvers<SubscribeReply>>();
  readonly #leaving: (() => void)[] = [];
  readonly #readers = new Set<Backlog<PublicationFrame>>();
  #state: ChannelState = IDLE;
  #reply: SubscribeReply | undefined;
  #position: Position | undefined;
  /** Live frames of a channel that the server gave, while the reply that must come before them is under way. */
  #early: PublicationFrame[] = [];
  readonly #ears: ChannelEars = {
    opened: () => this.#membership.reconcile(),
    cut: () => this.#cut(),
    stop: () => this.#stop(),
    take: (frame) => this.#take(frame),
    obey: (frame) => this.#obey(frame),
  };

  /** @internal */
  constructor(name: string, ports: ChannelPorts) {
    const { exchange, report, presence } = ports;
    this.name = name;
    this.#ports = ports;
    this.#events = new Emitter(report);
    this.#states = new Listeners(report);
    this.#resyncs = new Listeners(report);
    this.#membership = createMembership(name, ports, {
      isWanted: () => this.#wanted,
      position: () => this.#position,
      joined: (reply) => this.#joined(reply),
      refused: (error) => this.#refused(error),
      unwatched: () => this.#members?.clear(),
      left: () => this.#left(),
    });
    const watch = (anew: boolean): void => {
      this.#membership.watch(anew);
      this.#wantUnasked();
    };
    this.#members = presence?.({ channel: name, exchange, report, watch });
  }

  get state(): ChannelState {
    return this.#state;
  }

  /**
   * Who is in it.
   * @throws TypeError for a client without the option `presence`.
   */
  get presence(): ChannelPresence {
    if (!this.#members) throw new TypeError('This needs the option `presence: presence()`');
    return this.#members;
  }

  /** Listens to one event of the channel, and subscribes if that was not asked yet. */
  on<Name extends EventName<Events>>(
    event: Name,
    listener: (data: Events[Name], frame: PublicationFrame) => unknown,
  ): Unlisten {
    const unlisten = this.#events.on(event, listener as (data: unknown, frame: PublicationFrame) => unknown);
    this.#wantUnasked();
    return unlisten;
  }

  /** Listens to changes of `state`. */
  onState(listener: (state: ChannelState) => unknown): Unlisten {
    this.#listen();
    return this.#states.listen(listener);
  }

  /** Listens for losses: drop what you built from this channel and load it anew. */
  onResync(listener: (resync: Resync) => unknown): Unlisten {
    this.#listen();
    return this.#resyncs.listen(listener);
  }

  /**
   * Subscribes, also after a refusal. From then on every reconnect subscribes again by itself. Waits for the server's
   * yes or no through lost connections and passing failures; an abort ends the waiting, `unsubscribe` leaves the channel.
   * @throws RealtimeError with the server's code, or `unavailable` when the client stops or the channel is left; the
   * signal's reason.
   */
  async subscribe({ signal }: Abortable = {}): Promise<SubscribeReply> {
    const waiter = Promise.withResolvers<SubscribeReply>();
    const unlisten = onAbort(signal, waiter.reject);
    try {
      if (this.#ports.line.stopped()) throw stopped();
      if (this.#reply) return this.#reply;
      this.#joining.add(waiter);
      if (!this.#wanted) this.#want();
      return await waiter.promise;
    } finally {
      this.#joining.delete(waiter);
      unlisten();
    }
  }

  /**
   * Every publication of the channel, whatever its event, from the first read on, which subscribes as `subscribe` does.
   * Ends when the channel is left or taken away, or the client stops; breaking off leaves the channel subscribed. What is
   * lost to the history is told by `onResync` only.
   * @throws RealtimeError with the server's code where it refuses, `overloaded` behind 1,000 unread publications; the
   * signal's reason.
   */
  publications({ signal }: Abortable = {}): AsyncGenerator<Publication<Events>, void, undefined> {
    const all = readAmong(this.#readers, () => this.subscribe(), signal);
    return all as AsyncGenerator<Publication<Events>, void, undefined>;
  }

  /** `publications()`: for `for await (const { event, data } of channel)`. */
  [Symbol.asyncIterator](): AsyncGenerator<Publication<Events>, void, undefined> {
    return this.publications();
  }

  /**
   * A page of the channel's history; needs no subscription.
   * @throws RealtimeError as `request` does: `not_found` for a channel without a history; the signal's reason.
   */
  history(options?: HistoryOptions): Promise<HistoryPage<Events>> {
    return readHistory(this.#ports.exchange, this.name, options);
  }

  /** Leaves the channel and takes all its listeners off. Settles when the server knows, or need not. */
  async unsubscribe(): Promise<void> {
    this.#reply = undefined;
    this.#position = undefined;
    this.#early = [];
    this.#membership.unwatch();
    this.#events.clear();
    this.#resyncs.clear();
    this.#members?.forget();
    this.#settle(failure('unavailable', 'Unsubscribed'));
    const { status } = this.#state;
    const states = this.#states;
    this.#state = IDLE;
    this.#states = new Listeners(this.#ports.report);
    const left = new Promise<void>((resolve) => this.#leaving.push(resolve));
    this.#membership.reconcile();
    // Last, as who hears of it may want the channel again.
    if (status !== 'idle') states.emit(IDLE);
    await left;
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
    return publish(this.#ports, { channel: this.name, event, data }, options);
  }

  #listen(): void {
    this.#ports.active.set(this.name, this.#ears);
  }

  #cut(): void {
    this.#reply = undefined;
    this.#early = [];
    this.#members?.cut();
    this.#membership.lost();
    if (this.#state.status === 'subscribed') this.#enter({ status: 'subscribing' });
    this.#membership.reconcile();
  }

  #stop(): void {
    this.#membership.stop();
    this.#settle(stopped());
  }

  #take(frame: PublicationFrame): void {
    if (this.#state.status !== 'subscribing') this.#pass(frame);
    // What comes later than these is in the reply.
    else if (this.#early.length < MAX_EARLY) this.#early.push(frame);
  }

  #obey({ event, data }: SystemFrame): void {
    const { reason = '', ...fields } = fieldsOf(data);
    if (event === '$resync') this.#resync(reason, positionOf(fields));
    else if (event === '$unsubscribed') this.#revoked(reason);
    else this.#members?.obey(event, data);
  }

  get #wanted(): boolean {
    const { status } = this.#state;
    return status === 'subscribing' || status === 'subscribed';
  }

  /** A refusal stands. */
  #wantUnasked(): void {
    if (this.#state.status === 'idle') this.#want();
  }

  #want(): void {
    this.#listen();
    this.#settleLeaving();
    this.#enter({ status: 'subscribing' });
    this.#membership.reconcile();
  }

  #joined(reply: SubscribeReply): void {
    const { recovered, publications = [], presence } = reply;
    const position = positionOf(reply);
    this.#reply = reply;
    if (recovered === false && this.#position) this.#resync('not recovered', position);
    for (const publication of publications) this.#pass(publication);
    // A listener may have left.
    if (this.#reply !== reply) return;
    this.#position = position;
    this.#enter({ status: 'subscribed', ...(recovered !== undefined && { recovered }) });
    // Of those with an offset that came early, none is behind what the reply and the frames after it bring again.
    for (const frame of this.#early.splice(0))
      if (!recovered || frame.offset === undefined) this.#pass(frame);
    if (this.#reply !== reply) return;
    this.#settle();
    this.#members?.obey('$presence', presence);
  }

  #refused(error: RealtimeError): void {
    this.#settle(error);
    this.#enter({ status: 'refused', error });
    this.#members?.clear();
  }

  #revoked(reason: string): void {
    if (this.#state.status !== 'subscribed') return;
    this.#reply = undefined;
    this.#membership.lost();
    this.#settle(failure('unavailable', reason));
    this.#enter({ status: 'unsubscribed', reason });
    this.#members?.clear();
  }

  #left(): void {
    this.#settleLeaving();
    // Whoever listened since is not to be forgotten.
    const idle = this.#state.status === 'idle' && this.#states.size + this.#resyncs.size === 0;
    if (idle) this.#ports.active.delete(this.name);
  }

  /** Frames are lost; the channel goes on at the position. */
  #resync(reason: string, position: Position | undefined): void {
    this.#position = position;
    this.#resyncs.emit({ reason, ...(position && { position }) });
  }

  #pass(frame: PublicationFrame): void {
    if (this.#position && frame.offset !== undefined) {
      if (frame.offset <= this.#position.offset) return;
      this.#position = { ...this.#position, offset: frame.offset };
    }
    for (const reader of this.#readers) reader.push(frame);
    this.#events.emit(frame.event, frame.data, frame);
  }

  #settleLeaving(): void {
    for (const resolve of this.#leaving.splice(0)) resolve();
  }

  /** Tells who waits for it or reads it that it is subscribed, or with an error that it is not: a refusal, or an end. */
  #settle(error?: RealtimeError): void {
    for (const { resolve, reject } of this.#joining)
      if (this.#reply) resolve(this.#reply);
      else reject(error);
    for (const reader of error ? this.#readers : [])
      if (hasCode(error, 'unavailable')) reader.finish();
      else reader.fail(error);
  }

  #enter(state: ChannelState): void {
    if (this.#state.status === state.status) return;
    this.#state = state;
    this.#states.emit(state);
  }
}

import type { Position, PublicationFrame, SubscribeReply } from '@aerie/protocol';
import { Backlog } from './backlog.js';
import type { KeepPresence, MemberKeeper } from './member-keeper.js';
import type { ChannelState, Resync } from './channel-state.js';
import { Emitter, Listeners, type Report } from './emitter.js';
import { failure, RealtimeError } from './errors.js';
import type { Exchange } from './exchange.js';
import { Membership } from './membership.js';
import { onAbort } from './on-abort.js';
import { readSubscribeReply } from './server-frame.js';

export interface SubscriptionPorts {
  readonly exchange: Exchange;
  readonly report: Report;
  readonly presence: KeepPresence | undefined;
  /** Nobody wants it and the server holds nothing of it. */
  readonly released: (subscription: Subscription) => void;
}

/** What a server sends ahead of its reply is no more than a round trip's worth. */
const EARLY_FRAMES = 1_000;
/** So many wait for one reader. */
const MAX_UNREAD = 1_000;
const IDLE: ChannelState = { status: 'idle' };

/** What this client knows of one channel: its listeners, its state, its place in the history, who waits for it. */
export class Subscription {
  readonly channel: string;
  readonly events: Emitter<[data: unknown, frame: PublicationFrame]>;
  readonly states: Listeners<[state: ChannelState]>;
  readonly resyncs: Listeners<[resync: Resync]>;
  /** Who is in it; absent where this client doesn't keep that. */
  readonly presence: MemberKeeper | undefined;
  readonly #ports: SubscriptionPorts;
  readonly #membership: Membership;
  readonly #joining = new Set<PromiseWithResolvers<SubscribeReply>>();
  readonly #leaving: (() => void)[] = [];
  readonly #readers = new Set<Backlog<PublicationFrame>>();
  #state: ChannelState = IDLE;
  #reply: SubscribeReply | undefined;
  #position: Position | undefined;
  /** Live frames of a channel that the server gave, while the reply that must come before them is under way. */
  #early: PublicationFrame[] = [];

  constructor(channel: string, ports: SubscriptionPorts) {
    this.channel = channel;
    this.#ports = ports;
    this.events = new Emitter(ports.report);
    this.states = new Listeners(ports.report);
    this.resyncs = new Listeners(ports.report);
    const events = {
      position: () => this.#position,
      joined: (reply: unknown) => this.#joined(reply),
      refused: (error: unknown) => this.#refused(error),
      unwatched: (error: unknown) => this.#unwatched(error),
      left: () => this.#left(),
    };
    const { exchange, report } = ports;
    this.#membership = new Membership({ channel, exchange, events });
    const lost = (): void => this.#membership.watchAnew();
    this.presence = ports.presence?.({ channel, exchange, report, lost });
  }

  get state(): ChannelState {
    return this.#state;
  }

  /** Subscribes where that was not asked yet; a refusal stands. */
  want(): void {
    if (this.#state.status === 'idle') this.#join();
  }

  /** Wants to be told who is there, as long as it is subscribed. */
  watch(): void {
    this.#membership.watch();
    this.want();
  }

  /** Subscribes, also after a refusal. Settles with what the server says, however long that takes. */
  async subscribe(signal?: AbortSignal): Promise<SubscribeReply> {
    const waiter = Promise.withResolvers<SubscribeReply>();
    const unlisten = onAbort(signal, waiter.reject);
    try {
      if (this.#ports.exchange.stopped) throw unavailable('The client is stopped');
      if (this.#reply) return this.#reply;
      this.#joining.add(waiter);
      if (this.#state.status !== 'subscribing') this.#join();
      return await waiter.promise;
    } finally {
      this.#joining.delete(waiter);
      unlisten();
    }
  }

  /** Subscribes, and yields every publication from now on until it is left or the client stops. */
  async *read(signal?: AbortSignal): AsyncGenerator<PublicationFrame, void, undefined> {
    const reader = new Backlog<PublicationFrame>(MAX_UNREAD);
    const fail = (error: unknown): void => reader.fail(error);
    const unlisten = onAbort(signal, fail);
    this.#readers.add(reader);
    this.subscribe().catch(fail);
    try {
      yield* reader.read();
    } finally {
      this.#readers.delete(reader);
      unlisten();
    }
  }

  /** Takes the listeners off. Settles when the server knows, its connection is gone, or the channel is wanted again. */
  leave(): Promise<void> {
    this.#enter(IDLE);
    this.#reply = undefined;
    this.#position = undefined;
    this.#early = [];
    for (const listeners of [this.events, this.states, this.resyncs]) listeners.clear();
    this.presence?.forget();
    this.#endReading();
    this.#rejectJoining(unavailable('Unsubscribed'));
    return new Promise((resolve) => {
      this.#leaving.push(resolve);
      this.#membership.unwant();
    });
  }

  opened(): void {
    this.#membership.opened();
  }

  cut(): void {
    this.#reply = undefined;
    this.#early = [];
    this.presence?.cut();
    if (this.#state.status === 'subscribed') this.#enter({ status: 'subscribing' });
    this.#membership.cut();
  }

  stop(): void {
    this.#membership.stop();
    this.#endReading();
    this.#rejectJoining(unavailable('The client is stopped'));
  }

  publish(frame: PublicationFrame): void {
    if (this.#state.status !== 'subscribing') this.#pass(frame);
    // What comes later than these is in the reply.
    else if (this.#early.length < EARLY_FRAMES) this.#early.push(frame);
  }

  /** Frames are lost; the channel goes on at the position. */
  resync(reason: string, position: Position | undefined): void {
    this.#position = position;
    this.resyncs.emit({ reason, ...(position && { position }) });
  }

  /** The server took the subscription back. */
  revoked(reason: string): void {
    if (this.#state.status !== 'subscribed') return;
    this.#reply = undefined;
    this.#membership.revoked();
    this.#enter({ status: 'unsubscribed', reason });
    this.#endReading();
    this.presence?.clear();
  }

  #pass(frame: PublicationFrame): void {
    if (this.#position && frame.offset !== undefined) {
      if (frame.offset <= this.#position.offset) return;
      this.#position = { epoch: this.#position.epoch, offset: frame.offset };
    }
    for (const reader of this.#readers) reader.push(frame);
    this.events.emit(frame.event, frame.data, frame);
  }

  #join(): void {
    this.#settleLeaving();
    this.#enter({ status: 'subscribing' });
    this.#membership.want();
  }

  #joined(data: unknown): void {
    const { reply, position, publications } = readSubscribeReply(this.channel, data);
    this.#reply = reply;
    if (reply.recovered === false && this.#position) this.resync('not recovered', position);
    for (const publication of publications) this.#pass(publication);
    // A listener may have left.
    if (this.#reply !== reply) return;
    this.#position = position;
    const { recovered } = reply;
    this.#enter({ status: 'subscribed', ...(recovered !== undefined && { recovered }) });
    // Of those with an offset that came early, none is behind what the reply and the frames after it bring again.
    for (const frame of this.#early.splice(0))
      if (recovered !== true || frame.offset === undefined) this.#pass(frame);
    for (const { resolve } of this.#joining) resolve(reply);
    if (this.#reply === reply) this.presence?.take(reply.presence);
  }

  #refused(error: unknown): void {
    const known = error instanceof RealtimeError ? error : failure('internal', String(error));
    this.#enter({ status: 'refused', error: known });
    for (const reader of this.#readers) reader.fail(known);
    this.presence?.clear();
    this.#rejectJoining(known);
  }

  #unwatched(error: unknown): void {
    this.presence?.clear();
    this.#ports.report(error);
  }

  #left(): void {
    if (this.#state.status !== 'idle') return;
    // Whoever listened since is not to be forgotten.
    if (this.states.size + this.resyncs.size === 0) this.#ports.released(this);
    this.#settleLeaving();
  }

  #settleLeaving(): void {
    for (const resolve of this.#leaving.splice(0)) resolve();
  }

  #endReading(): void {
    for (const reader of this.#readers) reader.finish();
  }

  #rejectJoining(error: RealtimeError): void {
    for (const { reject } of this.#joining) reject(error);
  }

  #enter(state: ChannelState): void {
    if (this.#state.status === state.status) return;
    this.#state = state;
    this.states.emit(state);
  }
}

function unavailable(message: string): RealtimeError {
  return failure('unavailable', message);
}

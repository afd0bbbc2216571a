import type { Position, PublicationFrame, PublishReply, SubscribeReply } from '@aerie/protocol';
import { backoffMs } from './backoff.js';
import type { ChannelState, Resync } from './channel-state.js';
import type { ChannelEars, Core } from './core.js';
import { createEmitter, type Unlisten } from './emitter.js';
import { failure, isTransient, type RealtimeError, stopped } from './errors.js';
import type { Abortable, EventName } from './events.js';
import type { ReplySink } from './exchange.js';
import { onAbort } from './on-abort.js';
import { publish, type PublishOptions } from './publish.js';
import { fieldsOf, positionOf } from './server-frame.js';

/**
 * One channel. Its own events come by `on`; what happens to the subscription comes by `onState` and `onResync`, so that
 * the two can't collide whatever the application names its events. `channel(name)` of a client gives the same one each time.
 */
export interface Channel<Events extends object = Record<string, unknown>> {
  readonly name: string;
  readonly state: ChannelState;

  /** Listens to one event of the channel, and subscribes if that was not asked yet. */
  on<Name extends EventName<Events>>(
    event: Name,
    listener: (data: Events[Name], frame: PublicationFrame) => unknown,
  ): Unlisten;

  /** Listens to changes of `state`. */
  onState(listener: (state: ChannelState) => unknown): Unlisten;

  /** Listens for losses: drop what you built from this channel and load it anew. */
  onResync(listener: (resync: Resync) => unknown): Unlisten;

  /**
   * Subscribes, also after a refusal. From then on every reconnect subscribes again by itself. Waits for the server's
   * yes or no through lost connections and passing failures; an abort ends the waiting, `unsubscribe` leaves the channel.
   * @throws RealtimeError with the server's code, or `unavailable` when the client stops or the channel is left; the
   * signal's reason.
   */
  subscribe(options?: Abortable): Promise<SubscribeReply>;

  /** Leaves the channel and takes all its listeners off. Settles when the server knows, or need not. */
  unsubscribe(): Promise<void>;

  /**
   * Publishes; needs no subscription. While the outcome is unknown (lost connection, `timeout`, `unavailable`, `draining`) it is
   * repeated with the same idempotency key, in five attempts at most, so that it happens once.
   * @throws RealtimeError with the server's code, or `overloaded` when too much waits for a connection; the signal's reason.
   */
  publish<Name extends EventName<Events>>(
    event: Name,
    data: Events[Name],
    options?: PublishOptions,
  ): Promise<PublishReply>;

  /** @internal */
  readonly core: Core;

  /**
   * Hears its events as they come, and by their names `$state`, `$resync`, what the server says of it (`$join`), and
   * `$settled`: it is joined, or with an error not to be any more. Asks for nothing.
   * @internal
   */
  listen(name: string, listener: (...args: never[]) => unknown): Unlisten;
}

/** What a server sends ahead of its reply is no more than a round trip's worth. */
const MAX_EARLY = 1_000;
const IDLE: ChannelState = { status: 'idle' };

/** The channel of that name, idle. */
export function createChannel<Events extends object>(name: string, core: Core): Channel<Events> {
  const { line, exchange, report, active } = core;
  let events = createEmitter(report);
  let state = IDLE;
  /** What began this stay in the channel. */
  let stay: SubscribeReply | undefined;
  let position: Position | undefined;
  /** Live frames of a channel that the server gave, while the reply that must come before them is under way. */
  let early: PublicationFrame[] = [];
  /** The server has it for this client, or is asked to; not where it subscribed it by itself, as nobody can leave that. */
  let joins = false;
  /** A join is under way, or brought the stay. */
  let joining = false;
  let endJoin: Unlisten | undefined;
  let failures = 0;
  let retry: ReturnType<typeof setTimeout> | undefined;

  const isWanted = (): boolean => state.status === 'subscribing' || state.status === 'subscribed';

  const enter = (next: ChannelState): void => {
    if (state.status === next.status) return;
    state = next;
    events.emit('$state', state);
  };

  const listen = (event: string, listener: (...args: never[]) => unknown): Unlisten => {
    active.set(name, channel);
    return events.on(event, listener);
  };

  /** The server has it no more. */
  const lose = (): void => {
    stay = undefined;
    early = [];
    joins = joining = false;
  };

  const want = (): void => {
    active.set(name, channel);
    enter({ status: 'subscribing' });
    join();
  };

  const join = (): void => {
    clearTimeout(retry);
    // Who heard of it may have left, or asked already.
    if (joining || !isWanted()) return;
    const welcome = line.welcome();
    if (!welcome) return line.demand();
    joining = true;
    const given = Object.hasOwn(welcome.channels, name) ? welcome.channels[name] : undefined;
    joins = !given;
    const reply = (data: unknown): void => {
      failures = 0;
      joined({ ...fieldsOf(data), channel: name });
    };
    // Where nothing was missed since, there is no need to ask.
    const { epoch, offset } = position ?? given ?? {};
    if (given && given.epoch === epoch && given.offset === offset)
      reply({ ...given, recovered: position && true });
    else endJoin = ask('$subscribe', { position }, { reply, fail: joinFailed });
  };

  const ask = (event: string, fields: object, sink: ReplySink): Unlisten =>
    exchange.ask({ event, data: { channel: name, ...fields }, own: true }, sink);

  const joined = (reply: SubscribeReply): void => {
    const { recovered, publications = [] } = reply;
    const at = positionOf(reply);
    stay = reply;
    if (recovered === false && position) resync('not recovered', at);
    for (const publication of publications) pass(publication);
    // A listener may have left.
    if (stay !== reply) return;
    position = at;
    enter({ status: 'subscribed', recovered });
    // Of those with an offset that came early, none is behind what the reply and the frames after it bring again.
    for (const frame of early.splice(0)) if (!recovered || frame.offset === undefined) pass(frame);
    if (stay === reply) events.emit('$settled');
  };

  const joinFailed = (error: unknown): void => {
    joining = false;
    if (isTransient(error)) {
      retry = setTimeout(join, backoffMs(failures++));
    } else {
      joins = false;
      events.emit('$settled', error);
      enter({ status: 'refused', error: error as RealtimeError });
    }
  };

  /** Frames are lost; the channel goes on at the position. */
  const resync = (reason: string, at: Position | undefined): void => {
    position = at;
    events.emit('$resync', { reason, position: at });
  };

  const pass = (frame: PublicationFrame): void => {
    const { event, data, offset } = frame;
    if (position && offset !== undefined) {
      if (offset <= position.offset) return;
      position = { ...position, offset };
    }
    events.emit(event, data, frame);
  };

  const channel: Channel<Events> & ChannelEars = {
    name,
    core,
    listen,
    get state() {
      return state;
    },
    on: (event, listener) => {
      const unlisten = listen(event, listener);
      // A refusal stands.
      if (state === IDLE) want();
      return unlisten;
    },
    onState: (listener) => listen('$state', listener),
    onResync: (listener) => listen('$resync', listener),
    subscribe: async ({ signal } = {}) => {
      const { promise, resolve, reject } = Promise.withResolvers<SubscribeReply>();
      const unabort = onAbort(signal, reject);
      const settled = (error: unknown): void => (stay ? resolve(stay) : reject(error));
      const unlisten = events.on('$settled', settled);
      try {
        if (line.stopped()) throw stopped();
        if (stay) return stay;
        if (!isWanted()) want();
        return await promise;
      } finally {
        unlisten();
        unabort();
      }
    },
    unsubscribe: async () => {
      const heard = events;
      const before = state;
      clearTimeout(retry);
      endJoin?.();
      // The server keeps the order of what it is asked for a channel.
      const left = new Promise((resolve) => {
        if (joins) ask('$unsubscribe', {}, { reply: resolve, fail: resolve });
        else resolve(joins);
      });
      lose();
      position = undefined;
      state = IDLE;
      events = createEmitter(report);
      heard.emit('$settled', failure('unavailable', 'unsubscribed'));
      // Last, as who hears of it may want the channel again.
      if (before !== IDLE) heard.emit('$state', IDLE);
      await left;
      // Whoever listened since is not to be forgotten.
      if (state === IDLE && events.size === 0) active.delete(name);
    },
    publish: (event, data, options) => publish(core, { channel: name, event, data }, options),
    opened: join,
    cut: () => {
      lose();
      if (isWanted()) enter({ status: 'subscribing' });
    },
    stop: () => {
      clearTimeout(retry);
      events.emit('$settled', stopped());
    },
    take: (frame) => {
      if (state.status !== 'subscribing') pass(frame);
      // What comes later than these is in the reply. Of a channel that was asked for, it is of an earlier stay.
      else if (!joins && early.length < MAX_EARLY) early.push(frame);
    },
    obey: (event, data) => {
      const { reason = '', ...fields } = fieldsOf(data);
      if (event === '$resync') resync(reason, positionOf(fields));
      else if (event !== '$unsubscribed') events.emit(event, data);
      else if (state.status === 'subscribed') {
        lose();
        events.emit('$settled', failure('unavailable', reason));
        enter({ status: 'unsubscribed', reason });
      }
    },
  };
  return channel;
}

import { isChannelName, type DirectFrame, type PublicationFrame, type SystemEvent } from '@aerie/protocol';
import { Channel } from './channel.js';
import { JSON_CODEC } from './codec.js';
import { Connection } from './connection.js';
import { Credentials } from './credentials.js';
import { Emitter, Listeners, type Unlisten } from './emitter.js';
import { failure } from './errors.js';
import type { EventName } from './events.js';
import { Exchange, type RequestOptions } from './exchange.js';
import { platformOf, type RealtimeOptions } from './options.js';
import { Publisher } from './publisher.js';
import { fieldsOf, type ServerFrame } from './server-frame.js';
import { SessionRenewal } from './session-renewal.js';
import type { RealtimeState } from './state.js';
import { Subscriptions } from './subscriptions.js';

/**
 * One connection to Aerie that keeps itself open. It connects when it is first used: by `connect`, a listener, a
 * channel or a message. `Events` maps the names of what the server sends to their data.
 */
export class RealtimeClient<Events extends object = Record<string, unknown>> {
  readonly #connection: Connection;
  readonly #exchange: Exchange;
  readonly #publisher: Publisher;
  readonly #subscriptions: Subscriptions;
  readonly #renewal: SessionRenewal;
  readonly #credentials: Credentials;
  readonly #events: Emitter<[data: unknown, frame: DirectFrame | PublicationFrame]>;
  readonly #states: Listeners<[state: RealtimeState]>;
  readonly #errors = new Listeners<[error: unknown]>(logError);

  /**
   * @param url `ws:`, `wss:`, `http:` or `https:`, or relative to the page.
   * @throws TypeError for something that is no such address.
   */
  constructor(url: string | URL, options: RealtimeOptions = {}) {
    const report = (error: unknown): void => this.#report(error);
    this.#credentials = new Credentials(url, options);
    this.#events = new Emitter(report);
    this.#states = new Listeners(report);
    const { codec = JSON_CODEC } = options;
    const setup = {
      credentials: this.#credentials,
      codec,
      ...platformOf(options, this.#credentials.url),
      report,
    };
    this.#connection = new Connection(setup, {
      open: ({ expiresAt }) => this.#opened(expiresAt),
      frame: (frame) => this.#receive(frame),
      cut: (code) => this.#cut(code),
      stopped: () => this.#stopped(),
      state: (state) => this.#states.emit(state),
    });
    this.#exchange = new Exchange(this.#connection, codec, report);
    this.#publisher = new Publisher(this.#exchange);
    this.#subscriptions = new Subscriptions({ exchange: this.#exchange, report, presence: options.presence });
    this.#renewal = new SessionRenewal({ renew: () => this.#renew(), report });
  }

  get state(): RealtimeState {
    return this.#connection.state;
  }

  /** Connects now, also after a stop. Watch `state` for what comes of it. */
  connect(): void {
    this.#connection.start();
  }

  /** Says goodbye; what is pending fails as `unavailable`. Listeners and channels stay for another `connect()`. */
  close(): void {
    this.#connection.stop();
  }

  /** Listens to an event that the server sends to this user, directly or in the user's own channel. */
  on<Name extends EventName<Events>>(
    event: Name,
    listener: (data: Events[Name], frame: DirectFrame | PublicationFrame) => unknown,
  ): Unlisten {
    const unlisten = this.#events.on(
      event,
      listener as (data: unknown, frame: DirectFrame | PublicationFrame) => unknown,
    );
    this.#connection.demand();
    return unlisten;
  }

  /** Listens to changes of `state`. */
  onState(listener: (state: RealtimeState) => unknown): Unlisten {
    return this.#states.add(listener);
  }

  /**
   * Listens for what nobody awaits: listeners that threw, credentials that could not be fetched, error frames without
   * an id, messages of `send` that were lost. Without a listener they go to `console.error`.
   */
  onError(listener: (error: unknown) => unknown): Unlisten {
    return this.#errors.add(listener);
  }

  /**
   * Sends a message and wants no reply. It waits for a connection, and for its turn: about 80 a second leave, 120 at once.
   * @throws RealtimeError `overloaded` past 100 waiting messages or 256 KiB, `too_large`, `invalid`, or `unavailable`
   * when the client is stopped.
   */
  send(event: string, data?: unknown): void {
    this.#exchange.send({ event: checkedEvent(event), data });
  }

  /**
   * Sends a message and resolves with its reply; of a stream of replies, with the first.
   * @throws RealtimeError with the server's code, `timeout`, or `unavailable` when the connection was lost meanwhile:
   * then it is unknown whether the server acted.
   */
  async request<Reply = unknown>(event: string, data?: unknown, options?: RequestOptions): Promise<Reply> {
    return (await this.#exchange.request({ event: checkedEvent(event), data }, options)) as Reply;
  }

  /**
   * Sends a message and yields its replies until the last. The message leaves with the first read; at most 256 replies
   * wait unread. Breaking off stops the reading, not the server.
   * @throws RealtimeError as `request` does, and `overloaded` when read slower than it arrives.
   */
  stream<Reply = unknown>(
    event: string,
    data?: unknown,
    options?: RequestOptions,
  ): AsyncIterableIterator<Reply> {
    return this.#exchange.stream(
      { event: checkedEvent(event), data },
      options,
    ) as AsyncIterableIterator<Reply>;
  }

  /**
   * A handle for a channel, whose events are those of `Events` unless `Own` says otherwise.
   * @throws RealtimeError `invalid` for a name that no channel can have.
   */
  channel<Own extends object = Events>(name: string): Channel<Own> {
    if (!isChannelName(name)) throw failure('invalid', 'Not a channel name');
    return new Channel(name, {
      exchange: this.#exchange,
      subscriptions: this.#subscriptions,
      publisher: this.#publisher,
    });
  }

  #opened(expiresAt: number | null): void {
    this.#exchange.opened();
    // Subscriptions first, so that a queued publish comes back to its sender like to anyone.
    this.#subscriptions.opened();
    this.#exchange.flush();
    if (this.#credentials.renewable) this.#renewal.start(expiresAt);
  }

  #cut(code: number): void {
    this.#renewal.stop();
    this.#subscriptions.cut();
    this.#exchange.cut(code);
  }

  #stopped(): void {
    this.#exchange.stop();
    this.#publisher.stop();
    this.#subscriptions.stop();
  }

  #receive(frame: ServerFrame): void {
    if (frame.kind === 'system') this.#obey(frame.event, frame.data);
    else if (frame.kind === 'direct') this.#events.emit(frame.frame.event, frame.frame.data, frame.frame);
    else if (frame.kind === 'publication') this.#publish(frame.frame);
    else this.#exchange.receive(frame);
  }

  #publish(frame: PublicationFrame): void {
    this.#subscriptions.publish(frame);
    const own = Object.hasOwn(this.#connection.welcome?.channels ?? {}, frame.channel);
    if (own) this.#events.emit(frame.event, frame.data, frame);
  }

  #obey(event: SystemEvent, data: unknown): void {
    const { serverTime } = fieldsOf(data);
    if (event !== '$pong') this.#subscriptions.obey(event, data);
    else if (typeof serverTime === 'number') this.#renewal.synchronize(serverTime);
  }

  async #renew(): Promise<number | null> {
    const data = this.#credentials.authData(await this.#credentials.obtain());
    const reply = await this.#exchange.request({ event: '$auth', data, own: true });
    const { expiresAt } = fieldsOf(reply);
    return typeof expiresAt === 'number' ? expiresAt : null;
  }

  #report(error: unknown): void {
    if (this.#errors.size > 0) this.#errors.emit(error);
    else logError(error);
  }
}

/** 1-128 characters, none of control, not the system's `$`. The server counts bytes. */
const EVENT = /^(?!\$)\P{Cc}{1,128}$/u;

function checkedEvent(event: string): string {
  if (!EVENT.test(event)) throw failure('invalid', 'Not an event name');
  return event;
}

function logError(error: unknown): void {
  console.error('Aerie:', error);
}

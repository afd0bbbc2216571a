import type { DirectFrame, PublicationFrame, Welcome } from '@aerie/protocol';
import { Channel, type ChannelEars, type ChannelPorts } from './channel.js';
import { createConnection, type Connection } from './connection.js';
import { Credentials } from './credentials.js';
import { Emitter, Listeners, type Unlisten } from './emitter.js';
import { failure } from './errors.js';
import type { EventName } from './events.js';
import { createExchange, type Exchange, type RequestOptions } from './exchange.js';
import { platformOf, type RealtimeOptions } from './options.js';
import { fieldsOf, type ServerFrame, type SystemFrame } from './server-frame.js';
import { renewSession } from './session-renewal.js';
import type { RealtimeState } from './state.js';

/**
 * One connection to Aerie that keeps itself open. It connects when it is first used: by `connect`, a listener, a
 * channel or a message. `Events` maps the names of what the server sends to their data.
 */
export class RealtimeClient<Events extends object = Record<string, unknown>> {
  readonly #credentials: Credentials;
  readonly #connection: Connection;
  readonly #exchange: Exchange;
  readonly #events: Emitter<[data: unknown, frame: DirectFrame | PublicationFrame]>;
  readonly #states: Listeners<[state: RealtimeState]>;
  readonly #errors = new Listeners<[error: unknown]>(logError);
  /** Every channel that anyone holds, so that each is one. */
  readonly #known = new Map<string, WeakRef<Channel>>();
  readonly #gone = new FinalizationRegistry<string>((name) => {
    if (!this.#known.get(name)?.deref()) this.#known.delete(name);
  });
  readonly #ports: ChannelPorts;
  #endRenewal = (): void => undefined;

  /**
   * @param url `ws:`, `wss:`, `http:` or `https:`, or relative to the page.
   * @throws TypeError for something that is no such address.
   */
  constructor(url: string | URL, options: RealtimeOptions = {}) {
    const report = (error: unknown): void => this.#report(error);
    const credentials = new Credentials(url, options);
    const platform = platformOf(options, credentials.url);
    this.#credentials = credentials;
    this.#events = new Emitter(report);
    this.#states = new Listeners(report);
    this.#connection = createConnection(
      { ...platform, credentials, report },
      {
        open: (welcome) => this.#opened(welcome),
        frame: (frame) => this.#receive(frame),
        cut: () => this.#cut(),
        stopped: () => this.#stopped(),
        state: (state) => this.#states.emit(state),
      },
    );
    this.#exchange = createExchange(this.#connection, platform.codec, report);
    this.#ports = {
      line: this.#connection,
      exchange: this.#exchange,
      report,
      presence: options.presence,
      active: new Map(),
    };
  }

  get state(): RealtimeState {
    return this.#connection.state();
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
    return this.#states.listen(listener);
  }

  /**
   * Listens for what nobody awaits: listeners that threw, credentials that could not be fetched, error frames without
   * an id, messages of `send` that were lost. Without a listener they go to `console.error`.
   */
  onError(listener: (error: unknown) => unknown): Unlisten {
    return this.#errors.listen(listener);
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
   * The channel of that name, the same one each time. Its events are those of `Events` unless `Own` says otherwise. A name
   * that no channel can have is refused by the server, as `invalid`.
   */
  channel<Own extends object = Events>(name: string): Channel<Own> {
    let channel = this.#known.get(name)?.deref();
    if (!channel) {
      channel = new Channel(name, this.#ports);
      this.#known.set(name, new WeakRef(channel));
      this.#gone.register(channel, name);
    }
    return channel as unknown as Channel<Own>;
  }

  get #channels(): IterableIterator<ChannelEars> {
    return this.#ports.active.values();
  }

  #opened(welcome: Welcome): void {
    if (this.#credentials.renewable)
      this.#endRenewal = renewSession(welcome, () => this.#renew(), this.#ports.report);
    this.#exchange.opened();
    // Subscriptions first, so that a queued publish comes back to its sender like to anyone.
    for (const channel of this.#channels) channel.opened();
    this.#exchange.flush();
  }

  #cut(): void {
    this.#endRenewal();
    this.#exchange.cut();
    for (const channel of this.#channels) channel.cut();
  }

  #stopped(): void {
    this.#exchange.stop();
    for (const channel of this.#channels) channel.stop();
  }

  #receive(frame: ServerFrame): void {
    const { active } = this.#ports;
    const { event, channel, data } = frame;
    if (frame.id !== undefined || frame.error) this.#exchange.receive(frame);
    else if (isSystem(frame)) active.get(fieldsOf(data).channel ?? '')?.obey(frame);
    else if (event) {
      if (channel) active.get(channel)?.take(frame as PublicationFrame);
      const { channels = {} } = this.#connection.welcome() ?? {};
      if (!channel || Object.hasOwn(channels, channel)) this.#events.emit(event, data, frame as DirectFrame);
    }
  }

  async #renew(): Promise<number | null> {
    const data = this.#credentials.authData(await this.#credentials.obtain());
    const reply = await this.#exchange.request({ event: '$auth', data, own: true });
    return fieldsOf(reply).expiresAt ?? null;
  }

  #report(error: unknown): void {
    if (this.#errors.size > 0) this.#errors.emit(error);
    else logError(error);
  }
}

function isSystem(frame: ServerFrame): frame is SystemFrame {
  return frame.event?.[0] === '$';
}

/** The system's names are not the application's; what else is wrong with one the server says. */
function checkedEvent(event: string): string {
  if (event[0] === '$') throw failure('invalid', 'Not an event name');
  return event;
}

function logError(error: unknown): void {
  console.error('Aerie:', error);
}

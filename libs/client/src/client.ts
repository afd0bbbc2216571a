import type { DirectFrame, PublicationFrame } from '@aerie/protocol';
import { type Channel, createChannel } from './channel.js';
import { type Core, createCore } from './core.js';
import { createEmitter, type Unlisten } from './emitter.js';
import { checkedEvent, type EventName } from './events.js';
import type { RequestOptions } from './exchange.js';
import type { RealtimeOptions } from './options.js';
import type { RealtimeState } from './state.js';

/**
 * One connection to Aerie that keeps itself open. It connects when it is first used: by `connect`, a listener, a
 * channel or a message. `Events` maps the names of what the server sends to their data.
 */
export class RealtimeClient<Events extends object = Record<string, unknown>> {
  /** @internal */
  readonly core: Core;
  readonly #errors = createEmitter(logError);
  /** Every channel that anyone holds, so that each is one. */
  readonly #known = new Map<string, WeakRef<object>>();
  readonly #gone = new FinalizationRegistry<string>((name) => {
    if (!this.#known.get(name)?.deref()) this.#known.delete(name);
  });

  /**
   * @param url `ws:`, `wss:`, `http:` or `https:`, or relative to the page.
   * @throws TypeError for something that is no such address.
   */
  constructor(url: string | URL, options: RealtimeOptions = {}) {
    this.core = createCore(url, options, (error) => {
      if (this.#errors.size > 0) this.#errors.emit('', error);
      else logError(error);
    });
  }

  get state(): RealtimeState {
    return this.core.line.state();
  }

  /** Connects now, also after a stop. Watch `state` for what comes of it. */
  connect(): void {
    this.core.line.start();
  }

  /** Says goodbye; what is pending fails as `unavailable`. Listeners and channels stay for another `connect()`. */
  close(): void {
    this.core.line.stop();
  }

  /** Listens to an event that the server sends to this user, directly or in the user's own channel. */
  on<Name extends EventName<Events>>(
    event: Name,
    listener: (data: Events[Name], frame: DirectFrame | PublicationFrame) => unknown,
  ): Unlisten {
    const unlisten = this.core.events.on(event, listener);
    this.core.line.demand();
    return unlisten;
  }

  /** Listens to changes of `state`. */
  onState(listener: (state: RealtimeState) => unknown): Unlisten {
    return this.core.events.on('$state', listener);
  }

  /**
   * Listens for what nobody awaits: listeners that threw, credentials that could not be fetched, error frames without
   * an id, messages of `send` that were lost. Without a listener they go to `console.error`.
   */
  onError(listener: (error: unknown) => unknown): Unlisten {
    return this.#errors.on('', listener);
  }

  /**
   * Sends a message and wants no reply. It waits for a connection, and for its turn: about 80 a second leave, 120 at once.
   * What the connection can't take by then (`too_large`) is told by `onError`.
   * @throws RealtimeError `overloaded` past 100 waiting messages or 256 KiB, `invalid`, or `unavailable` when the client is
   * stopped.
   */
  send(event: string, data?: unknown): void {
    this.core.exchange.send({ event: checkedEvent(event), data });
  }

  /**
   * Sends a message and resolves with its reply; of a stream of replies, with the first.
   * @throws RealtimeError with the server's code, `timeout`, `overloaded` past 1,000 without a reply or what may wait, or
   * `unavailable` when the connection was lost meanwhile: then it is unknown whether the server acted. The signal's reason.
   */
  async request<Reply = unknown>(event: string, data?: unknown, options?: RequestOptions): Promise<Reply> {
    return this.core.exchange.request({ event: checkedEvent(event), data }, options) as Promise<Reply>;
  }

  /**
   * The channel of that name, the same one each time. Its events are those of `Events` unless `Own` says otherwise. A name
   * that no channel can have is refused by the server, as `invalid`.
   */
  channel<Own extends object = Events>(name: string): Channel<Own> {
    let channel = this.#known.get(name)?.deref() as Channel<Own> | undefined;
    if (!channel) {
      channel = createChannel<Own>(name, this.core);
      this.#known.set(name, new WeakRef(channel));
      this.#gone.register(channel, name);
    }
    return channel;
  }
}

function logError(error: unknown): void {
  console.error('Aerie:', error);
}

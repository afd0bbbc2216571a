import type { Position, SystemEvent } from '@aerie/protocol';
import { backoffMs } from './backoff.js';
import { isTransient, RealtimeError } from './errors.js';
import type { Exchange } from './exchange.js';

export interface MembershipEvents {
  /** Where to go on; undefined to begin with what comes next. */
  readonly position: () => Position | undefined;
  /** It is held now; once more where it is held and watched. */
  readonly joined: (reply: unknown) => void;
  /** Who is there can't be watched; what else the channel has goes on. */
  readonly unwatched: (error: unknown) => void;
  /** A refusal; nothing is tried again. */
  readonly refused: (error: unknown) => void;
  /** Not wanted, and the server knows, or never did. */
  readonly left: () => void;
}

interface MembershipOptions {
  readonly channel: string;
  readonly exchange: Exchange;
  readonly events: MembershipEvents;
}

/**
 * Brings what the server holds of one channel to what is wanted here, one request at a time: the server answers
 * `$unsubscribe` ahead of a `$subscribe` that waits in line. Failures that may pass are tried again with back-off.
 */
export class Membership {
  readonly #options: MembershipOptions;
  #wanted = false;
  /** `given`: the server subscribed it by itself, and it is not the client's to leave. */
  #held: 'none' | 'joined' | 'given' = 'none';
  /** Whether to be told who is there: wanted here, and asked of the server that holds it. */
  #watch = { wanted: false, held: false };
  /** Names the request under way; the reply to an earlier one means nothing any more. */
  #request: object | undefined;
  #failures = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  want(): void {
    this.#wanted = true;
    this.#reconcile();
  }

  unwant(): void {
    this.#wanted = false;
    this.#watch.wanted = false;
    this.#reconcile();
  }

  /** Wants to be told who is there, too, whenever it is wanted. */
  watch(): void {
    this.#watch.wanted = true;
    if (this.#wanted) this.#reconcile();
  }

  /** What was told has a gap: asks for the members again, not at once, as others may have the same gap. */
  watchAnew(): void {
    this.#watch.held = false;
    this.#tryLater();
  }

  /** There is a new connection. */
  opened(): void {
    this.#reconcile();
  }

  /** The connection is gone, and what the server held with it. */
  cut(): void {
    this.#request = undefined;
    this.#lost();
    this.#reconcile();
  }

  /** The server took it back. */
  revoked(): void {
    this.#lost();
    this.#wanted = false;
  }

  /** Leaves no timer behind. */
  stop(): void {
    clearTimeout(this.#retry);
  }

  #reconcile(): void {
    clearTimeout(this.#retry);
    if (this.#request) return;
    const { wanted, held } = this.#watch;
    if (this.#wanted) {
      if (this.#held === 'none' || (wanted && !held)) this.#join(wanted);
    } else if (this.#held === 'joined') this.#leave();
    else this.#options.events.left();
  }

  #lost(): void {
    this.#held = 'none';
    this.#watch.held = false;
  }

  #tryLater(): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#reconcile(), backoffMs(this.#failures++));
  }

  #join(presence: boolean): void {
    const { channel, exchange, events } = this.#options;
    if (!exchange.welcome) return exchange.demand();
    // What is held goes on by itself.
    const position = this.#held === 'none' ? events.position() : undefined;
    const { channels } = exchange.welcome;
    const given = Object.hasOwn(channels, channel) ? channels[channel] : undefined;
    const held = given ? 'given' : 'joined';
    if (given && !presence && isUpToDate(given, position))
      return this.#joined({ held, presence }, { channel, ...given, ...(position && { recovered: true }) });
    this.#ask('$subscribe', {
      data: { channel, ...(position && { position }), ...(presence && { presence }) },
      reply: (data) => this.#joined({ held, presence }, data),
      fail: (error) => this.#joinFailed(error, presence),
    });
  }

  #joined({ held, presence }: Joined, reply: unknown): void {
    this.#held = held;
    this.#watch.held = presence;
    this.#failures = 0;
    // It may be wanted otherwise by now.
    this.#reconcile();
    if (this.#wanted) this.#options.events.joined(reply);
  }

  #joinFailed(error: unknown, presence: boolean): void {
    const transient = isTransient(error);
    if (!this.#wanted) {
      // After a time-out the server may hold it all the same.
      if (transient) this.#held = 'joined';
      return this.#reconcile();
    }
    if (transient) this.#tryLater();
    else if (presence && (this.#held !== 'none' || isInvalid(error))) {
      this.#watch.wanted = false;
      this.#options.events.unwatched(error);
      this.#reconcile();
    } else {
      this.#wanted = false;
      this.#options.events.refused(error);
    }
  }

  #leave(): void {
    const { channel } = this.#options;
    const done = (): void => {
      this.#held = 'none';
      this.#reconcile();
    };
    this.#ask('$unsubscribe', { data: { channel }, reply: done, fail: done });
  }

  #ask(event: SystemEvent, { data, reply, fail }: Asking): void {
    const request = {};
    const current = (then: (value: unknown) => void) => (value: unknown) => {
      if (this.#request !== request) return false;
      this.#request = undefined;
      then(value);
      return false;
    };
    this.#request = request;
    this.#options.exchange.ask({ event, data, own: true }, { reply: current(reply), fail: current(fail) });
  }
}

/** Whether nothing was missed since: no need to ask. */
function isUpToDate(given: Partial<Position>, position: Position | undefined): boolean {
  return !position || (given.epoch === position.epoch && given.offset === position.offset);
}

/** So says the server where a channel has no presence. */
function isInvalid(error: unknown): boolean {
  return error instanceof RealtimeError && error.code === 'invalid';
}

interface Joined {
  readonly held: 'joined' | 'given';
  readonly presence: boolean;
}

interface Asking {
  readonly data: object;
  readonly reply: (data: unknown) => void;
  readonly fail: (error: unknown) => void;
}

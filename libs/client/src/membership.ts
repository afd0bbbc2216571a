import { SYSTEM, type Position } from '@aerie/protocol';
import { backoffMs } from './backoff.js';
import { isTransient } from './errors.js';
import type { Exchange } from './exchange.js';

export interface MembershipEvents {
  /** Where to go on; undefined to begin with what comes next. */
  readonly position: () => Position | undefined;
  readonly joined: (reply: unknown) => void;
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
    this.#reconcile();
  }

  /** There is a new connection. */
  opened(): void {
    this.#reconcile();
  }

  /** The connection is gone, and what the server held with it. */
  cut(): void {
    this.#request = undefined;
    this.#held = 'none';
    this.#reconcile();
  }

  /** The server took it back. */
  revoked(): void {
    this.#held = 'none';
    this.#wanted = false;
  }

  /** Leaves no timer behind. */
  stop(): void {
    clearTimeout(this.#retry);
  }

  #reconcile(): void {
    clearTimeout(this.#retry);
    if (this.#request) return;
    if (this.#wanted && this.#held === 'none') this.#join();
    else if (!this.#wanted && this.#held === 'joined') this.#leave();
    else if (!this.#wanted) this.#options.events.left();
  }

  #join(): void {
    const { channel, exchange, events } = this.#options;
    if (!exchange.welcome) return exchange.demand();
    const position = events.position();
    const { channels } = exchange.welcome;
    const given = Object.hasOwn(channels, channel) ? channels[channel] : undefined;
    if (given && isUpToDate(given, position))
      return this.#joined('given', { channel, ...given, ...(position && { recovered: true }) });
    this.#ask(SYSTEM.subscribe, {
      data: { channel, ...(position && { position }) },
      reply: (data) => this.#joined(given ? 'given' : 'joined', data),
      fail: (error) => this.#joinFailed(error),
    });
  }

  #joined(how: 'joined' | 'given', reply: unknown): void {
    this.#held = how;
    this.#failures = 0;
    if (this.#wanted) this.#options.events.joined(reply);
    else this.#reconcile();
  }

  #joinFailed(error: unknown): void {
    const transient = isTransient(error);
    if (!this.#wanted) {
      // After a time-out the server may hold it all the same.
      if (transient) this.#held = 'joined';
      return this.#reconcile();
    }
    if (transient) {
      this.#retry = setTimeout(() => this.#reconcile(), backoffMs(this.#failures++));
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
    this.#ask(SYSTEM.unsubscribe, { data: { channel }, reply: done, fail: done });
  }

  #ask(event: string, { data, reply, fail }: Asking): void {
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

interface Asking {
  readonly data: object;
  readonly reply: (data: unknown) => void;
  readonly fail: (error: unknown) => void;
}

/** Leave to go on, or a place in the line for it. */
export interface Turn {
  /** Resolves once it has come. */
  readonly come: Promise<void>;
  /** Gives it back, or leaves the line. Once. */
  end(): void;
}

export interface TurnsOptions {
  readonly atOnce: number;
  /** Connections that the node has accepted so far. */
  readonly accepted: () => number;
}

interface Waiter {
  readonly begin: () => void;
  state: 'waits' | 'begun' | 'left';
}

/** While more connections come in, turns are given in pauses of this. Milliseconds. */
const PAUSE_MS = 20;
const MOST_IN_A_ROW = 64;

/**
 * Lets so many at a time do something, in the order in which they came. Of more than the machine can serve at once the first
 * are then done early, where all of them side by side would all be late. While a crowd still comes in, its connections are
 * accepted first: the kernel drops what it can't keep, and that comes again after a second or more.
 */
export class Turns {
  readonly #options: TurnsOptions;
  readonly #waiting: Waiter[] = [];
  #free: number;
  #scheduled = false;
  #accepted = 0;
  #servedAt = -Infinity;

  constructor(options: TurnsOptions) {
    this.#options = options;
    this.#free = options.atOnce;
  }

  take(): Turn {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter: Waiter = { begin: resolve, state: 'waits' };
    this.#waiting.push(waiter);
    this.#schedule();
    return { come: promise, end: () => this.#ended(waiter) };
  }

  #ended(waiter: Waiter): void {
    if (waiter.state === 'begun') this.#free += 1;
    waiter.state = 'left';
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#free === 0 || this.#waiting.length === 0) return;
    this.#scheduled = true;
    setImmediate(this.#serve);
  }

  readonly #serve = (): void => {
    this.#scheduled = false;
    if (!this.#pauses()) this.#begin();
    this.#schedule();
  };

  // libuv accepts one connection in each turn of its loop: one without any has seen the end of the kernel's queue.
  #pauses(): boolean {
    const accepted = this.#options.accepted();
    const isCrowded = accepted !== this.#accepted;
    this.#accepted = accepted;
    return isCrowded && performance.now() - this.#servedAt < PAUSE_MS;
  }

  #begin(): void {
    for (let begun = 0; begun < MOST_IN_A_ROW && this.#free > 0;) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      if (next.state === 'left') continue;
      next.state = 'begun';
      next.begin();
      this.#free -= 1;
      begun += 1;
    }
    this.#servedAt = performance.now();
  }
}

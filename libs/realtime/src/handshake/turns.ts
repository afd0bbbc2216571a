/** Leave to go on, or a place in the line for it. */
export interface Turn {
  /** Resolves once it has come; undefined where that is so at once. */
  readonly come: Promise<void> | undefined;
  /** Gives it back, or leaves the line. Once. */
  end(): void;
}

interface Waiter {
  readonly begin: () => void;
  state: 'waits' | 'begun' | 'left';
}

/**
 * Lets so many at a time do something, in the order in which they came. Of more than the machine can serve at once the first
 * are then done early, where all of them side by side would all be late.
 */
export class Turns {
  readonly #waiting: Waiter[] = [];
  readonly #atOnce: Turn = { come: undefined, end: () => this.#ended() };
  #free: number;

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  take(): Turn {
    if (this.#free === 0) return this.#wait();
    this.#free -= 1;
    return this.#atOnce;
  }

  #wait(): Turn {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter: Waiter = { begin: resolve, state: 'waits' };
    this.#waiting.push(waiter);
    return { come: promise, end: () => this.#leave(waiter) };
  }

  #leave(waiter: Waiter): void {
    if (waiter.state === 'begun') this.#ended();
    waiter.state = 'left';
  }

  #ended(): void {
    let next = this.#waiting.shift();
    while (next?.state === 'left') next = this.#waiting.shift();
    if (next === undefined) {
      this.#free += 1;
      return;
    }
    next.state = 'begun';
    next.begin();
  }
}

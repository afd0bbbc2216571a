import { within } from '../deadline.js';

/** Leave to go on. */
export interface Turn {
  /** Once. */
  readonly end: () => void;
}

interface Waiter {
  readonly begin: (turn: Turn) => void;
  hasLeft: boolean;
}

/**
 * Lets so many at a time do something, in the order in which they came. Of more than the machine can serve at once the first
 * are then done early, where all of them side by side would all be late.
 */
export class Turns {
  readonly #waiting: Waiter[] = [];
  #free: number;

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  /** Resolves with a turn; with undefined for who waited so long. */
  async take(ms: number): Promise<Turn | undefined> {
    if (this.#free > 0) return this.#begin();
    const { promise, resolve } = Promise.withResolvers<Turn>();
    const waiter: Waiter = { begin: resolve, hasLeft: false };
    this.#waiting.push(waiter);
    return within(ms, promise, () => {
      waiter.hasLeft = true;
      return undefined;
    });
  }

  #begin(): Turn {
    this.#free -= 1;
    return { end: () => this.#ended() };
  }

  #ended(): void {
    this.#free += 1;
    let next = this.#waiting.shift();
    while (next?.hasLeft === true) next = this.#waiting.shift();
    next?.begin(this.#begin());
  }
}

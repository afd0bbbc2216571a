import { BackplaneUnavailable } from '../publishing/backplane.js';

interface Waiter {
  resolve(): void;
  reject(error: BackplaneUnavailable): void;
}

/** What the node wants of one channel, what it last told Redis, and who waits for the acknowledgement. */
export class ChannelWish {
  wanted = true;
  /** `unsure` while a command is under way, and after one that failed. */
  joined: 'no' | 'unsure' | 'yes' = 'no';
  readonly #waiting = new Set<Waiter>();
  #confirmed: boolean;

  /** @param confirmed Wanted whether or not Redis ever acknowledged it. */
  constructor(confirmed = false) {
    this.#confirmed = confirmed;
  }

  /** Acknowledged since it is wanted: it then outlives the connection. */
  get confirmed(): boolean {
    return this.#confirmed;
  }

  /** Resolves with `confirm()`. The first waiter's deadline refuses all of them, so that none is left behind. */
  acknowledged(deadlineMs: number, onGivenUp: () => void): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const giveUp = (): void => {
        this.refuse(new BackplaneUnavailable('Redis: timeout'));
        onGivenUp();
      };
      const deadline = setTimeout(giveUp, deadlineMs);
      this.#waiting.add({
        resolve: () => {
          clearTimeout(deadline);
          resolve();
        },
        reject: (error) => {
          clearTimeout(deadline);
          reject(error);
        },
      });
    });
  }

  /** Redis hears it on this connection. */
  confirm(): void {
    this.joined = 'yes';
    if (!this.wanted) return;
    this.#confirmed = true;
    for (const waiter of this.#takeWaiting()) waiter.resolve();
  }

  /** Refuses who waits; the wish itself ends unless it had been confirmed before. */
  refuse(error: BackplaneUnavailable): void {
    this.wanted &&= this.#confirmed;
    for (const waiter of this.#takeWaiting()) waiter.reject(error);
  }

  /** Nobody wants it any more. */
  abandon(): void {
    this.#confirmed = false;
    this.wanted = false;
    // An error costs its stack: almost always nobody waits.
    if (this.#waiting.size > 0) this.refuse(new BackplaneUnavailable('unsubscribed meanwhile'));
  }

  #takeWaiting(): readonly Waiter[] {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    return waiting;
  }
}

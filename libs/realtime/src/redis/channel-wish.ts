import type { Deadlines, Due } from '../deadlines.js';
import { BackplaneUnavailable } from '../publishing/backplane.js';

/** How long whoever wants a channel waits for the acknowledgement, and who hears that it did not come. */
export interface Patience {
  readonly deadlines: Deadlines;
  givenUp(channel: string): void;
}

/** What the node wants of one channel, what it last told Redis, and who waits for the acknowledgement. */
export class ChannelWish implements Due {
  wanted = true;
  /** `unsure` while a command is under way, and after one that failed. */
  joined: 'no' | 'unsure' | 'yes' = 'no';
  /** Since when somebody waits. */
  startedAt = 0;
  #waiting: PromiseWithResolvers<void> | undefined;
  #confirmed: boolean;

  /** @param confirmed Wanted whether or not Redis ever acknowledged it. */
  constructor(
    private readonly channel: string,
    private readonly patience: Patience,
    confirmed = false,
  ) {
    this.#confirmed = confirmed;
  }

  /** Acknowledged since it is wanted: it then outlives the connection. */
  get confirmed(): boolean {
    return this.#confirmed;
  }

  /** Resolves with `confirm()`. The first one's deadline refuses all who wait, so that none is left behind. */
  acknowledged(): Promise<void> {
    this.#waiting ??= this.#beginWaiting();
    return this.#waiting.promise;
  }

  /** Redis hears it on this connection. */
  confirm(): void {
    this.joined = 'yes';
    if (!this.wanted) return;
    this.#confirmed = true;
    this.#endWaiting()?.resolve();
  }

  /** Refuses who waits; the wish itself ends unless it had been confirmed before. */
  refuse(error: BackplaneUnavailable): void {
    this.wanted &&= this.#confirmed;
    this.#endWaiting()?.reject(error);
  }

  /** Nobody wants it any more. */
  abandon(): void {
    this.#confirmed = false;
    this.wanted = false;
    // An error costs its stack: almost always nobody waits.
    if (this.#waiting !== undefined) this.refuse(new BackplaneUnavailable('unsubscribed meanwhile'));
  }

  /** For its deadlines: no acknowledgement came. */
  tooLate(): void {
    this.refuse(new BackplaneUnavailable('Redis: timeout'));
    this.patience.givenUp(this.channel);
  }

  #beginWaiting(): PromiseWithResolvers<void> {
    this.startedAt = performance.now();
    this.patience.deadlines.begin(this);
    return Promise.withResolvers<void>();
  }

  #endWaiting(): PromiseWithResolvers<void> | undefined {
    const waiting = this.#waiting;
    if (waiting === undefined) return undefined;
    this.#waiting = undefined;
    this.patience.deadlines.end(this);
    return waiting;
  }
}

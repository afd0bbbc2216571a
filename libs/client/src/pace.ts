import { closeAdvice } from '@aerie/protocol';
import { STABLE_MS } from './reconnect-policy.js';

/** A server's own limits are 100 a second and 200 at once: this stays below even when a second's worth arrives in one go. */
const PER_SECOND = 80;
const BURST = 120;
const LEAST_SHARE = 1 / 64;

/**
 * How fast messages may leave, so that the server has no reason to close with 4429. A server with lower limits, or one
 * that is overloaded, closes all the same: each close that asks to back off halves the pace, and a connection that lasted
 * and ended otherwise doubles it again.
 */
export class Pace {
  #share = 1;
  #tokens = BURST;
  #filledAt = performance.now();
  #openedAt = performance.now();

  /** A new connection: the server counts anew. */
  opened(): void {
    this.#openedAt = performance.now();
    this.#filledAt = this.#openedAt;
    this.#tokens = BURST * this.#share;
  }

  closed(code: number): void {
    if (closeAdvice(code) === 'back-off') this.#share = Math.max(LEAST_SHARE, this.#share / 2);
    else if (performance.now() - this.#openedAt >= STABLE_MS) this.#share = Math.min(1, this.#share * 2);
  }

  /** Milliseconds until the next message may leave; 0: it may now, and is counted. */
  take(): number {
    const now = performance.now();
    const perMs = (PER_SECOND * this.#share) / 1_000;
    this.#tokens = Math.min(BURST * this.#share, this.#tokens + (now - this.#filledAt) * perMs);
    this.#filledAt = now;
    if (this.#tokens < 1) return Math.ceil((1 - this.#tokens) / perMs);
    this.#tokens -= 1;
    return 0;
  }
}

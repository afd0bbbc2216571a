import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { FailureCounter } from '../handshake/failure-counter.js';

const FAILURES = 100;
const WINDOW_SECONDS = 60;
const MAX_ADDRESSES = 100_000;

/** Failures of one process. Of more than 100,000 addresses a minute the oldest are forgotten. */
export class MemoryFailureCounter extends FailureCounter {
  // The hundredth failure is the first too many, and keeps the address out for a whole minute.
  readonly #limiter = new RateLimiterMemory({
    points: FAILURES - 1,
    duration: WINDOW_SECONDS,
    blockDuration: WINDOW_SECONDS,
  });
  /** By the time of their last failure, the oldest first. */
  readonly #addresses = new Map<string, number>();

  async record(address: string): Promise<void> {
    await this.#makeRoom();
    this.#addresses.delete(address);
    this.#addresses.set(address, Date.now());
    await this.#limiter.consume(address).catch(ignoreTooMany);
  }

  async blockedForMs(address: string): Promise<number> {
    if (!this.#addresses.has(address)) return 0;
    const state = await this.#limiter.get(address);
    return state && state.consumedPoints >= FAILURES ? Math.max(0, state.msBeforeNext) : 0;
  }

  async close(): Promise<void> {
    for (const address of this.#addresses.keys()) await this.#limiter.delete(address);
    this.#addresses.clear();
  }

  async #makeRoom(): Promise<void> {
    const longAgo = Date.now() - 2 * WINDOW_SECONDS * 1000;
    for (const [address, failedAt] of this.#addresses) {
      if (failedAt > longAgo && this.#addresses.size < MAX_ADDRESSES) return;
      this.#addresses.delete(address);
      await this.#limiter.delete(address);
    }
  }
}

function ignoreTooMany(rejection: unknown): void {
  if (!(rejection instanceof RateLimiterRes)) throw rejection;
}

import type { Report } from './emitter.js';

const AT_SHARE_OF_LIFE = 0.8;
const LEAST_MS = 1_000;
/** A longer `setTimeout` overflows and fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

interface RenewalOptions {
  /** Sends `$auth` with a fresh credential; answers the new end, in the server's epoch milliseconds. */
  readonly renew: () => Promise<number | null>;
  readonly report: Report;
}

/**
 * Renews a session at 80 % of what was left of it. The server's clock rules: `$pong` tells how far this one is off. A
 * renewal that fails is tried again at 80 % of the rest, so a few times and ever closer; after the end the server
 * closes with 4401 and a new connection brings a new credential.
 */
export class SessionRenewal {
  readonly #options: RenewalOptions;
  #skewMs = 0;
  #startedAt = 0;
  #expiresAt: number | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: RenewalOptions) {
    this.#options = options;
  }

  /** A session that ends at `expiresAt`, in the server's epoch milliseconds; null has no end. */
  start(expiresAt: number | null): void {
    this.#expiresAt = expiresAt;
    this.#startedAt = Date.now();
    this.#arm();
  }

  /** The server's clock, as `$pong` told it. */
  synchronize(serverTime: number): void {
    this.#skewMs = serverTime - Date.now();
    this.#arm();
  }

  stop(): void {
    this.#expiresAt = null;
    clearTimeout(this.#timer);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#expiresAt === null) return;
    const expiresAt = this.#expiresAt - this.#skewMs;
    if (expiresAt <= Date.now()) return;
    const life = Math.max(LEAST_MS, (expiresAt - this.#startedAt) * AT_SHARE_OF_LIFE);
    const ms = this.#startedAt + life - Date.now();
    const due = (): void => (ms > MAX_TIMER_MS ? this.#arm() : void this.#renew());
    this.#timer = setTimeout(due, Math.min(ms, MAX_TIMER_MS));
  }

  async #renew(): Promise<void> {
    const old = this.#expiresAt;
    const next = await this.#options.renew().catch((error: unknown) => {
      this.#options.report(error);
      return old;
    });
    // Stopped or started anew while the server was asked: that one counts.
    if (this.#expiresAt === old && old !== null) this.start(next);
  }
}

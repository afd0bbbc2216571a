import { Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Backplane, BackplaneHealth } from '../publishing/backplane.js';

export interface BackplaneWatchOptions {
  /** Between two probes. Milliseconds, default 5,000. */
  readonly intervalMs?: number | undefined;
  /** How long a probe may take. Milliseconds, default 2,000. */
  readonly timeoutMs?: number | undefined;
  /** At most so long after the second good probe the backplane counts as up again. Milliseconds, default 5,000. */
  readonly returnJitterMs?: number | undefined;
}

/** What the last probes say. */
export interface BackplaneStatus {
  readonly name: string;
  /** Whether it reaches other nodes. */
  readonly shared: boolean;
  readonly up: boolean;
  /** Of the last probe, where it came back. Milliseconds. */
  readonly roundTripMs?: number;
  /** Why the last probe did not come back. */
  readonly reason?: string;
}

const FAILURES_TO_FALL = 2;
const PASSES_TO_RETURN = 2;

/**
 * Probes the backplane all the time: two failures in a row take it down, two passes bring it back, somewhat later on each
 * node, so that a fleet doesn't return in one instant. Down until the first probe has passed.
 */
export class BackplaneWatch implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #backplane: Pick<Backplane, 'name' | 'shared' | 'probe'>;
  readonly #intervalMs: number;
  readonly #timeoutMs: number;
  readonly #returnJitterMs: number;
  readonly #logger = new Logger('AerieBackplane');
  #latest: BackplaneHealth = { up: false, reason: 'not probed yet' };
  #up = false;
  #everUp = false;
  #failures = 0;
  #passes = 0;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;
  #returning: NodeJS.Timeout | undefined;

  constructor(backplane: Pick<Backplane, 'name' | 'shared' | 'probe'>, options: BackplaneWatchOptions = {}) {
    this.#backplane = backplane;
    this.#intervalMs = options.intervalMs ?? 5_000;
    this.#timeoutMs = options.timeoutMs ?? 2_000;
    this.#returnJitterMs = options.returnJitterMs ?? 5_000;
  }

  get status(): BackplaneStatus {
    const { name, shared } = this.#backplane;
    return { name, shared, ...this.#latest, up: this.#up };
  }

  onApplicationBootstrap(): Promise<void> {
    return this.#probe();
  }

  onApplicationShutdown(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#returning);
  }

  async #probe(): Promise<void> {
    this.#latest = await this.#measure();
    if (this.#closed) return;
    if (this.#latest.up) this.#pass();
    else this.#fail(this.#latest.reason);
    this.#timer = setTimeout(() => void this.#probe(), this.#intervalMs).unref();
  }

  async #measure(): Promise<BackplaneHealth> {
    try {
      return await this.#backplane.probe(this.#timeoutMs);
    } catch (error) {
      return { up: false, reason: error instanceof Error ? error.message : String(error) };
    }
  }

  #pass(): void {
    this.#failures = 0;
    this.#passes += 1;
    if (this.#up || this.#returning !== undefined) return;
    if (!this.#everUp) this.#rise();
    else if (this.#passes >= PASSES_TO_RETURN) {
      this.#returning = setTimeout(() => this.#rise(), Math.random() * this.#returnJitterMs).unref();
    }
  }

  #fail(reason: string): void {
    this.#passes = 0;
    this.#failures += 1;
    clearTimeout(this.#returning);
    this.#returning = undefined;
    if (!this.#up || this.#failures < FAILURES_TO_FALL) return;
    this.#up = false;
    this.#logger.warn(`${this.#backplane.name} is down: ${reason}`);
  }

  #rise(): void {
    this.#returning = undefined;
    this.#up = true;
    this.#logger.log(`${this.#backplane.name} is ${this.#everUp ? 'back' : 'up'}`);
    this.#everUp = true;
  }
}

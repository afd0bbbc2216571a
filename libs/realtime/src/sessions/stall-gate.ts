import { Logger } from '@nestjs/common';
import type { RealtimeMetrics } from '../metrics/meter.js';
import type { LeaseState } from './node-directory.js';
import type { SessionTimes } from './session-times.js';

export interface StallGateOptions {
  readonly times: SessionTimes;
  readonly metrics: Pick<RealtimeMetrics, 'stalls'>;
  /** Asks whether this node's lease is still its own; undefined: no answer. */
  readonly ask: () => Promise<LeaseState | undefined>;
  /** The node goes on, and may have missed something meanwhile. */
  readonly onResumed: () => void;
}

const MOST_BYTES = 16 * 1024 * 1024;
const ENTRY_BYTES = 200;
const RETRY_MS = 250;
/** Between two looks at the clock; a gap is seen at the next entry in any case. */
const TICKS_PER_STALL = 5;

/**
 * Stands at both entries of a node, from the backplane and from clients. A process that stood still (SIGSTOP, a paused VM)
 * may have been swept meanwhile: what comes in then waits until the lease was asked for. Redis being away is no stall.
 */
export class StallGate {
  readonly #options: StallGateOptions;
  readonly #logger = new Logger('AerieSessions');
  #lastTickAt = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #asking = false;
  #asked: Promise<void> = Promise.resolve();
  #waiting: (() => void)[] = [];
  #bytes = 0;

  constructor(options: StallGateOptions) {
    this.#options = options;
  }

  start(): void {
    this.#lastTickAt = performance.now();
    this.#timer = setInterval(() => this.#tick(), this.#options.times.stallMs / TICKS_PER_STALL).unref();
  }

  /** Whether what comes in now may go on. If not, give it to `hold`. */
  isOpen(): boolean {
    if (this.#asking) return false;
    if (performance.now() - this.#lastTickAt <= this.#options.times.stallMs || this.#timer === undefined)
      return true;
    this.#asked = this.#stalled();
    return false;
  }

  /** Keeps what came in, in order, until the gate opens. False: there is no room for it, it is lost. */
  hold(bytes: number, enter: () => void): boolean {
    if (this.#bytes + bytes > MOST_BYTES) return false;
    this.#bytes += bytes + ENTRY_BYTES;
    this.#waiting.push(enter);
    return true;
  }

  /** Resolves when it is known whether the node goes on: at once, unless it stood still. */
  async passed(): Promise<void> {
    if (!this.isOpen()) await this.#asked;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#takeWaiting();
  }

  #tick(): void {
    if (this.isOpen()) this.#lastTickAt = performance.now();
  }

  async #stalled(): Promise<void> {
    this.#asking = true;
    this.#options.metrics.stalls.inc();
    this.#logger.warn('this node stood still: nothing comes in until its lease was asked for');
    const state = await this.#answer();
    this.#lastTickAt = performance.now();
    this.#asking = false;
    const waiting = this.#takeWaiting();
    if (state === 'swept') return;
    this.#options.onResumed();
    for (const enter of waiting) enter();
  }

  // Without an answer for a whole lease Redis is away, which closes nobody: the node goes on as it does then.
  async #answer(): Promise<LeaseState | undefined> {
    const deadline = performance.now() + this.#options.times.leaseMs;
    for (;;) {
      const state = await this.#options.ask();
      if (state !== undefined || performance.now() >= deadline || this.#timer === undefined) return state;
      await new Promise((resolve) => {
        setTimeout(resolve, RETRY_MS).unref();
      });
    }
  }

  #takeWaiting(): readonly (() => void)[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    return waiting;
  }
}

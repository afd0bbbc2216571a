import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';

/** How late the event loop runs its timers, over one window. Milliseconds. */
export interface LoopDelay {
  readonly meanMs: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const WINDOW_MS = 10_000;
const RESOLUTION_MS = 20;
const NS_PER_MS = 1e6;
const NONE: LoopDelay = { meanMs: 0, p99Ms: 0, maxMs: 0 };

/** Measures the event loop's delay in windows of 10 s. A single stall, however long, hardly moves a window's mean. */
@Injectable()
export class EventLoopDelay implements OnApplicationShutdown {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #timer: NodeJS.Timeout;
  #last = NONE;

  constructor() {
    this.#histogram.enable();
    this.#timer = setInterval(() => this.#turn(), WINDOW_MS).unref();
  }

  /** The last complete window; zeros before the first one is over. */
  get last(): LoopDelay {
    return this.#last;
  }

  onApplicationShutdown(): void {
    clearInterval(this.#timer);
    this.#histogram.disable();
  }

  #turn(): void {
    const { mean, max } = this.#histogram;
    const p99 = this.#histogram.percentile(99);
    this.#last = { meanMs: lateness(mean), p99Ms: lateness(p99), maxMs: lateness(max) };
    this.#histogram.reset();
  }
}

/** The histogram holds whole intervals between two timers, in nanoseconds; NaN where it is empty. */
function lateness(interval: number): number {
  const ms = interval / NS_PER_MS - RESOLUTION_MS;
  return Number.isFinite(ms) ? Math.max(0, Math.round(ms * 10) / 10) : 0;
}

import { Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { Drain } from './drain.js';

export interface MemoryLimitOptions {
  readonly drain: Pick<Drain, 'leave'>;
  /** Resident memory past which the node leaves. Bytes. */
  readonly maxRssBytes: number;
  /** Reads the resident memory. Bytes; for tests. */
  readonly rss?: () => number;
}

const CHECK_MS = 5_000;
/** One reading may catch a burst that the next collection clears. */
const READINGS = 3;

/**
 * Past `maxRssBytes` the node drains itself and exits 0, so that a leak ends in a paced hand-over and a fresh process
 * instead of an out-of-memory kill.
 */
export class MemoryLimit implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #options: MemoryLimitOptions;
  #exceeded = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: MemoryLimitOptions) {
    this.#options = options;
  }

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => this.#check(), CHECK_MS).unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.#timer);
  }

  #check(): void {
    const { maxRssBytes, drain, rss = process.memoryUsage.rss } = this.#options;
    const bytes = rss();
    this.#exceeded = bytes > maxRssBytes ? this.#exceeded + 1 : 0;
    if (this.#exceeded < READINGS) return;
    clearInterval(this.#timer);
    new Logger('AerieMemory').warn(`${bytes} bytes resident, more than ${maxRssBytes}: leaving`);
    void drain.leave();
  }
}

import { Logger } from '@nestjs/common';
import { RateLimiterRedis, RateLimiterRes, RLWrapperTimeouts } from 'rate-limiter-flexible';
import { FailureCounter } from '../handshake/failure-counter.js';
import { MemoryFailureCounter } from '../memory/memory-failure-counter.js';
import { RecentKeys } from '../memory/recent-keys.js';
import type { RedisClient } from './redis-client.js';
import { faultOf } from './redis-fault.js';

const FAILURES = 100;
const WINDOW_SECONDS = 60;
const TIMEOUT_MS = 500;
const AWAY_MS = 2_000;
/** So long is somebody believed who was not blocked. */
const CLEAR_MS = 1_000;
const MAX_CLEAR = 10_000;

/**
 * Failures of all nodes together; what other nodes counted is noticed within a second. While Redis is away, each node counts its own, and asks Redis again after 2 s; nobody
 * waits for longer than 500 ms. The client is the caller's: it is not closed here.
 */
export class RedisFailureCounter extends FailureCounter {
  readonly #logger = new Logger('AerieFailures');
  readonly #insurance = new MemoryFailureCounter();
  readonly #limiter: RLWrapperTimeouts;
  /** Addresses that were not blocked a moment ago. */
  readonly #clear = new RecentKeys({ lifeMs: CLEAR_MS, maxKeys: MAX_CLEAR });
  /** Addresses that Redis is being asked about: a crowd behind one asks once. */
  readonly #asked = new Map<string, Promise<number>>();
  #awayUntil = 0;

  constructor(client: RedisClient, prefix: string) {
    super();
    const limiter = new RateLimiterRedis({
      storeClient: client,
      keyPrefix: `${prefix}1:failures`,
      points: FAILURES - 1,
      duration: WINDOW_SECONDS,
      blockDuration: WINDOW_SECONDS,
      rejectIfRedisNotReady: true,
    });
    this.#limiter = new RLWrapperTimeouts({ limiter, timeoutMs: TIMEOUT_MS });
  }

  async record(address: string): Promise<void> {
    this.#clear.forget(address);
    this.#asked.delete(address);
    const counted = await this.#ask(() => this.#limiter.consume(address).then(isCounted, isTooMany));
    if (counted === undefined) await this.#insurance.record(address);
  }

  /** What this node counted while Redis was away goes on counting. */
  async blockedForMs(address: string): Promise<number> {
    const own = await this.#insurance.blockedForMs(address);
    if (own > 0) return own;
    if (this.#clear.get(address) !== undefined) return 0;
    return this.#asked.get(address) ?? this.#askOnce(address);
  }

  #askOnce(address: string): Promise<number> {
    const asked = this.#blockedElsewhereForMs(address).finally(() => {
      if (this.#asked.get(address) === asked) this.#asked.delete(address);
    });
    this.#asked.set(address, asked);
    return asked;
  }

  async #blockedElsewhereForMs(address: string): Promise<number> {
    const state = await this.#ask(() => this.#limiter.get(address));
    if (state && state.consumedPoints >= FAILURES) return Math.max(0, state.msBeforeNext);
    if (this.#clear.get(address) === undefined) this.#clear.add(address, undefined);
    return 0;
  }

  async close(): Promise<void> {
    await this.#insurance.close();
  }

  async #ask<Answer>(question: () => Promise<Answer>): Promise<Answer | undefined> {
    if (performance.now() < this.#awayUntil) return undefined;
    try {
      return await question();
    } catch (error) {
      this.#awayUntil = performance.now() + AWAY_MS;
      this.#logger.warn(`failures are counted in memory for now; Redis: ${faultOf(error)}`);
      return undefined;
    }
  }
}

function isCounted(): true {
  return true;
}

function isTooMany(rejection: unknown): true {
  if (rejection instanceof RateLimiterRes) return true;
  throw rejection;
}

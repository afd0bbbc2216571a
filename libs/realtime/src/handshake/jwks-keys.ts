import { Logger } from '@nestjs/common';
import { createLocalJWKSet, errors, type CryptoKey, type JSONWebKeySet } from 'jose';
import { Refusal } from '../refusal.js';
import { fetchJwks } from './fetch-jwks.js';
import { unauthenticated, unavailable } from './refusals.js';
import type { TokenHeader } from './token-verifier.js';

const FRESH_MS = 10 * 60_000;
const USABLE_MS = 60 * 60_000;
const REFETCH_INTERVAL_MS = 30_000;
// With no usable key nobody gets in: that is worth trying again sooner.
const RETRY_INTERVAL_MS = 2_000;

type KeySet = ReturnType<typeof createLocalJWKSet>;

/**
 * The issuer's public keys. Fetched again after 10 minutes, and for an unknown key at most once per 30 s, so that bogus
 * tokens can't be turned against the issuer. While the issuer is away the keys at hand serve for an hour.
 */
export class JwksKeys {
  readonly #logger = new Logger('AerieJwks');
  readonly #url: URL;
  #keys: KeySet | undefined;
  #fetchedAt = Number.NEGATIVE_INFINITY;
  #attemptedAt = Number.NEGATIVE_INFINITY;
  #away = false;
  #pending: Promise<void> | undefined;

  /** @throws TypeError if `url` is not http or https. */
  constructor(url: string) {
    this.#url = new URL(url);
    if (!/^https?:$/.test(this.#url.protocol)) throw new TypeError('the JWKS URL must be http or https');
  }

  /** The key for a token; 503 only where it can't be told whether there is one. */
  async find(header: TokenHeader): Promise<CryptoKey | Refusal> {
    if (this.#ageMs >= USABLE_MS) await this.#fetchEvery(RETRY_INTERVAL_MS);
    else if (this.#ageMs >= FRESH_MS) await this.#fetchEvery(REFETCH_INTERVAL_MS);
    const known = await this.#lookUp(header);
    if (known) return known;
    if (this.#ageMs < USABLE_MS) await this.#fetchEvery(REFETCH_INTERVAL_MS);
    return (
      (await this.#lookUp(header)) ?? (this.#away ? unavailable('jwks_away') : unauthenticated('unknown_key'))
    );
  }

  get #ageMs(): number {
    return performance.now() - this.#fetchedAt;
  }

  async #lookUp({ alg, kid }: TokenHeader): Promise<CryptoKey | Refusal | undefined> {
    if (!this.#keys || this.#ageMs >= USABLE_MS) return undefined;
    try {
      return await this.#keys({ alg, ...(kid !== undefined && { kid }) });
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey) return undefined;
      if (error instanceof errors.JWKSMultipleMatchingKeys) return unauthenticated('ambiguous_key');
      throw error;
    }
  }

  /** Fetches unless that was tried within the interval; whoever comes meanwhile waits for the same answer. */
  #fetchEvery(intervalMs: number): Promise<void> {
    if (this.#pending) return this.#pending;
    if (performance.now() - this.#attemptedAt < intervalMs) return Promise.resolve();
    this.#attemptedAt = performance.now();
    this.#pending = this.#fetch().finally(() => (this.#pending = undefined));
    return this.#pending;
  }

  async #fetch(): Promise<void> {
    try {
      const fetched: JSONWebKeySet = await fetchJwks(this.#url);
      this.#keys = createLocalJWKSet(fetched);
      this.#fetchedAt = performance.now();
      this.#away = false;
    } catch (error) {
      if (!this.#away)
        this.#logger.warn(`the JWKS can't be loaded from ${this.#url.host}: ${messageOf(error)}`);
      this.#away = true;
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown error';
}

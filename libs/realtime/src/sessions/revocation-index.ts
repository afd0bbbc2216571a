import { Logger } from '@nestjs/common';
import type { Session } from '../connections/session.js';
import { revokes, type Revocation } from './revocations.js';

interface Entry {
  readonly revocation: Revocation;
  readonly bucket: string;
  readonly expiresAt: number;
}

export interface RevocationIndexOptions {
  /** The longest life of a token: a revocation is needed no longer than the tokens that it names. Default 30 days. */
  readonly maxTokenLifeMs?: number;
  /** Past it the oldest are dropped, with a warning. Default 1,000,000. */
  readonly maxEntries?: number;
}

export const DEFAULT_MAX_TOKEN_LIFE_MS = 30 * 24 * 3_600_000;
const EVERYONE = 'everyone';

/** The standing revocations, found by a session's token and user without a scan. */
export class RevocationIndex {
  readonly #buckets = new Map<string, readonly Entry[]>();
  /** Oldest first: entries live equally long and come in the order of their time. */
  readonly #entries = new Set<Entry>();
  readonly #maxTokenLifeMs: number;
  readonly #maxEntries: number;
  readonly #logger = new Logger('AerieRevocations');
  #warned = false;

  constructor(options: RevocationIndexOptions = {}) {
    this.#maxTokenLifeMs = options.maxTokenLifeMs ?? DEFAULT_MAX_TOKEN_LIFE_MS;
    this.#maxEntries = options.maxEntries ?? 1_000_000;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Adds one made at `at` (epoch milliseconds), in place of older ones that it contains. */
  add(revocation: Revocation, at: number): void {
    const entry = { revocation, bucket: bucketOf(revocation), expiresAt: at + this.#maxTokenLifeMs };
    const contained = this.#bucket(entry.bucket).filter((old) => contains(revocation, old.revocation));
    for (const old of contained) this.#remove(old);
    this.#buckets.set(entry.bucket, [...this.#bucket(entry.bucket), entry]);
    this.#entries.add(entry);
    if (this.#entries.size > this.#maxEntries) this.#dropOldest();
  }

  /** Whether a standing revocation names the session. */
  covers(session: Session): boolean {
    const buckets = [EVERYONE, `user ${session.user}`];
    if (session.jti !== undefined) buckets.push(`jti ${session.jti}`);
    return buckets.some((bucket) =>
      this.#bucket(bucket).some(({ revocation }) => revokes(revocation, session)),
    );
  }

  /** Forgets what is older than the longest token life. */
  expire(now: number): void {
    for (const entry of this.#entries) {
      if (entry.expiresAt > now) return;
      this.#remove(entry);
    }
  }

  #bucket(name: string): readonly Entry[] {
    return this.#buckets.get(name) ?? [];
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry);
    const rest = this.#bucket(entry.bucket).filter((other) => other !== entry);
    if (rest.length === 0) this.#buckets.delete(entry.bucket);
    else this.#buckets.set(entry.bucket, rest);
  }

  #dropOldest(): void {
    for (const oldest of this.#entries) {
      this.#remove(oldest);
      break;
    }
    if (this.#warned) return;
    this.#warned = true;
    this.#logger.warn(`more than ${this.#maxEntries} revocations stand: the oldest are no longer held`);
  }
}

function bucketOf({ jti, user }: Revocation): string {
  if (jti !== undefined) return `jti ${jti}`;
  return user === undefined ? EVERYONE : `user ${user}`;
}

/** Whether every session that `narrow` names is named by `wide` too. */
function contains(wide: Revocation, narrow: Revocation): boolean {
  if (wide.jti !== undefined && wide.jti !== narrow.jti) return false;
  if (wide.user !== undefined && wide.user !== narrow.user) return false;
  // One without any field names nobody.
  if (wide.issuedBefore === undefined) return wide.jti !== undefined || wide.user !== undefined;
  return narrow.issuedBefore !== undefined && narrow.issuedBefore <= wide.issuedBefore;
}

import type { Session } from '../connections/session.js';
import { RevocationIndex, type RevocationIndexOptions } from '../sessions/revocation-index.js';
import { RevocationLog, type Revocation } from '../sessions/revocations.js';

/** The revocations of one process; a restart forgets them. */
export class MemoryRevocationLog extends RevocationLog {
  readonly loaded = true;
  readonly #index: RevocationIndex;
  #onAdded: ((revocation: Revocation) => void) | undefined;

  constructor(options: RevocationIndexOptions = {}) {
    super();
    this.#index = new RevocationIndex(options);
  }

  async start(onAdded: (revocation: Revocation) => void): Promise<void> {
    this.#onAdded = onAdded;
  }

  async add(revocation: Revocation): Promise<void> {
    this.#index.expire(Date.now());
    this.#index.add(revocation, Date.now());
    this.#onAdded?.(revocation);
  }

  covers(session: Session): boolean {
    return this.#index.covers(session);
  }

  async refresh(): Promise<void> {}

  async close(): Promise<void> {
    this.#onAdded = undefined;
  }
}

import type { Session } from '../connections/session.js';

/**
 * Port. Keeps the sessions behind single-use tickets for their short life. Keys are SHA-256 digests: the store never sees
 * a ticket. Errors (store away) reject; the caller answers 503, never 401.
 */
export abstract class TicketStore {
  /** Keeps `session` under `digest` for `ttlMs`. */
  abstract put(digest: string, session: Session, ttlMs: number): Promise<void>;
  /** Atomically reads and deletes: of any number of concurrent takers on any node exactly one gets the session. */
  abstract take(digest: string): Promise<Session | undefined>;
  /** Whether a live ticket stands under `digest`, without consuming it (the dry run of `GET /ws`). */
  abstract peek(digest: string): Promise<Session | undefined>;
}

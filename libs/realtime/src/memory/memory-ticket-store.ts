import type { Session } from '../connections/session.js';
import { TicketStore } from '../handshake/ticket-store.js';

const MAX_TICKETS = 100_000;

interface Entry {
  /** As text, like in any other store: nobody shares the object, and what JSON can't hold fails here, too. */
  readonly session: string;
  readonly expiresAt: number;
}

/** Tickets of one process, at most 100,000 at a time. One that is full refuses, as evicting would hit somebody else's. */
export class MemoryTicketStore extends TicketStore {
  readonly #entries = new Map<string, Entry>();

  async put(digest: string, session: Session, ttlMs: number): Promise<void> {
    this.#sweep();
    if (this.#entries.size >= MAX_TICKETS) throw new Error('too many tickets');
    this.#entries.set(digest, { session: JSON.stringify(session), expiresAt: Date.now() + ttlMs });
  }

  async take(digest: string): Promise<Session | undefined> {
    const session = this.#live(digest);
    this.#entries.delete(digest);
    return session;
  }

  async peek(digest: string): Promise<Session | undefined> {
    return this.#live(digest);
  }

  #live(digest: string): Session | undefined {
    const entry = this.#entries.get(digest);
    return entry && entry.expiresAt > Date.now() ? (JSON.parse(entry.session) as Session) : undefined;
  }

  /** Tickets all live equally long, so that the oldest entries are the first to expire. */
  #sweep(): void {
    const now = Date.now();
    for (const [digest, { expiresAt }] of this.#entries) {
      if (expiresAt > now) return;
      this.#entries.delete(digest);
    }
  }
}

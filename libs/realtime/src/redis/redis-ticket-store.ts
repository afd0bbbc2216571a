import type { Session } from '../connections/session.js';
import { TicketStore } from '../handshake/ticket-store.js';
import type { RedisClient } from './redis-client.js';

/** Tickets that any node can redeem. The client is the caller's: it is not closed here. */
export class RedisTicketStore extends TicketStore {
  readonly #client: RedisClient;
  readonly #prefix: string;

  constructor(client: RedisClient, prefix: string) {
    super();
    this.#client = client;
    this.#prefix = prefix;
  }

  async put(digest: string, session: Session, ttlMs: number): Promise<void> {
    await this.#client.set(this.#key(digest), JSON.stringify(session), 'PX', ttlMs);
  }

  async take(digest: string): Promise<Session | undefined> {
    return sessionOf(await this.#client.getdel(this.#key(digest)));
  }

  async peek(digest: string): Promise<Session | undefined> {
    return sessionOf(await this.#client.get(this.#key(digest)));
  }

  #key(digest: string): string {
    return `${this.#prefix}1:ticket:${digest}`;
  }
}

function sessionOf(text: string | null): Session | undefined {
  return text === null ? undefined : (JSON.parse(text) as Session);
}

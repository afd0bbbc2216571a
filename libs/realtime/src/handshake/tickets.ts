import { createHash, randomBytes } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { hasExpired, type Session } from '../connections/session.js';
import { within } from '../deadline.js';
import { Refusal } from '../refusal.js';
import { unauthenticated, unavailable } from './refusals.js';
import { TicketStore } from './ticket-store.js';

const TICKET_BYTES = 32;
const TICKET = /^[\w-]{43}$/;
const LIFE_MS = 30_000;
const STORE_DEADLINE_MS = 2_000;

export interface IssuedTicket {
  /** Secret: worth the session that asked for it, once. */
  readonly ticket: string;
  readonly expiresInMs: number;
}

/**
 * Single-use stand-ins for a session, fit for a URL: worthless after 30 s or their first use. The store sees only their
 * digests. A store that is away is a 503, and a ticket whose outcome is unknown counts as used.
 */
@Injectable()
export class Tickets {
  readonly #logger = new Logger('AerieTickets');
  #away = false;

  constructor(private readonly store: TicketStore) {}

  /** A ticket for this session; it carries the session's expiry, claims and `jti`. */
  async issue(session: Session): Promise<IssuedTicket | Refusal> {
    if (hasExpired(session)) return unauthenticated('session_expired');
    const ticket = randomBytes(TICKET_BYTES).toString('base64url');
    const kept = await this.#ask(() => this.store.put(digestOf(ticket), session, LIFE_MS));
    return kept instanceof Refusal ? kept : { ticket, expiresInMs: LIFE_MS };
  }

  /** Uses a ticket up. */
  redeem(ticket: string): Promise<Session | Refusal> {
    return this.#session(ticket, (digest) => this.store.take(digest));
  }

  /** What `redeem` would say now; uses nothing up. */
  peek(ticket: string): Promise<Session | Refusal> {
    return this.#session(ticket, (digest) => this.store.peek(digest));
  }

  async #session(
    ticket: string,
    read: (digest: string) => Promise<Session | undefined>,
  ): Promise<Session | Refusal> {
    if (!TICKET.test(ticket)) return unauthenticated('malformed_ticket');
    const session = await this.#ask(() => read(digestOf(ticket)));
    if (session === undefined) return unauthenticated('unknown_ticket');
    if (session instanceof Refusal) return session;
    return hasExpired(session) ? unauthenticated('session_expired') : session;
  }

  async #ask<Answer>(question: () => Promise<Answer>): Promise<Answer | Refusal> {
    try {
      const answer = await within(STORE_DEADLINE_MS, question(), noAnswer);
      this.#note(undefined);
      return answer;
    } catch (error) {
      this.#note(error);
      return unavailable('ticket_store_away');
    }
  }

  /** One line when the store goes away, one when it is back. A store's messages may quote what it was to keep. */
  #note(fault: unknown): void {
    const away = fault !== undefined;
    if (away && !this.#away) this.#logger.warn(`the ticket store is away: ${faultName(fault)}`);
    if (!away && this.#away) this.#logger.log('the ticket store is back');
    this.#away = away;
  }
}

function noAnswer(): never {
  throw new Error(`no answer within ${STORE_DEADLINE_MS} ms`);
}

function faultName(fault: unknown): string {
  if (!(fault instanceof Error)) return typeof fault;
  return 'code' in fault && typeof fault.code === 'string' ? fault.code : fault.name;
}

function digestOf(ticket: string): string {
  return createHash('sha256').update(ticket).digest('base64url');
}

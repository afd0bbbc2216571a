import type { IncomingMessage } from 'node:http';
import { requireJson } from '../http/body.js';
import { queryOf } from '../http/request-target.js';
import type { Route, RouteOutcome } from '../http/route.js';
import { Refusal } from '../refusal.js';
import type { Caller } from './caller.js';
import type { Tickets } from './tickets.js';

export interface TicketRouteDeps {
  readonly caller: Pick<Caller, 'sessionOf'>;
  readonly tickets: Pick<Tickets, 'issue'>;
  /** Default `/tickets`. */
  readonly path?: string;
}

/**
 * `POST /tickets`: a single-use ticket for the authenticated caller, whom a browser's WebSocket can't name otherwise. Takes
 * every kind of credential but a ticket. The content type keeps plain cross-site forms out.
 */
export function ticketRoute({ caller, tickets, path = '/tickets' }: TicketRouteDeps): Route {
  return {
    method: 'POST',
    path,
    cors: true,
    handle: async ({ request }) => {
      const refusal = requireJson(request) ?? ticketForTicket(request);
      if (refusal) return refusal;
      const session = await caller.sessionOf(request);
      return session instanceof Refusal ? session : replyWith(await tickets.issue(session));
    },
  };
}

function ticketForTicket(request: IncomingMessage): Refusal | undefined {
  return queryOf(request).has('ticket')
    ? new Refusal('forbidden', 'a ticket is no credential for another', { reason: 'ticket_for_ticket' })
    : undefined;
}

function replyWith(issued: Awaited<ReturnType<Tickets['issue']>>): RouteOutcome {
  return issued instanceof Refusal ? issued : { body: issued };
}

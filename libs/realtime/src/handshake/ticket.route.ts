import type { IncomingMessage } from 'node:http';
import { requireJson } from '../http/body.js';
import { queryOf } from '../http/request-target.js';
import type { Route, RouteOutcome } from '../http/route.js';
import { Refusal } from '../refusal.js';
import type { HandshakeRequest } from './authenticator.js';
import type { FailureCounter } from './failure-counter.js';
import type { OriginPolicy } from './origin.js';
import { blocked } from './refusals.js';
import type { SessionAuthentication } from './session-authentication.js';
import type { Tickets } from './tickets.js';

export interface TicketRouteDeps {
  readonly authentication: Pick<SessionAuthentication, 'authenticate'>;
  readonly tickets: Pick<Tickets, 'issue'>;
  readonly origins: Pick<OriginPolicy, 'check'>;
  readonly failures: Pick<FailureCounter, 'record' | 'blockedForMs'>;
  /** Makes of a bare request what authenticators and guards expect. */
  readonly prepare: (request: IncomingMessage) => HandshakeRequest;
  /** The key under which failures of this client count. */
  readonly addressGroupOf: (request: IncomingMessage) => string;
  /** Default `/tickets`. */
  readonly path?: string;
}

/**
 * `POST /tickets`: a single-use ticket for the authenticated caller, whom a browser's WebSocket can't name otherwise. Takes
 * every kind of credential but a ticket. Whatever a browser would attach by itself (a cookie) counts only with an allowed
 * Origin; the content type keeps plain cross-site forms out.
 */
export function ticketRoute(deps: TicketRouteDeps): Route {
  const { path = '/tickets', tickets } = deps;
  return {
    method: 'POST',
    path,
    cors: true,
    handle: async ({ request }) => {
      const refusal = requireJson(request) ?? deps.origins.check(request) ?? withoutOwnIntent(request);
      if (refusal) return refusal;
      const session = await authenticated(request, deps);
      return session instanceof Refusal ? session : replyWith(await tickets.issue(session));
    },
  };
}

/** What the page behind the request may not have meant, or may not have. */
function withoutOwnIntent(request: IncomingMessage): Refusal | undefined {
  const { cookie, authorization, origin } = request.headers;
  if (cookie !== undefined && authorization === undefined && origin === undefined)
    return new Refusal('forbidden', 'with a cookie this needs an Origin', { reason: 'origin_missing' });
  if (queryOf(request).has('ticket'))
    return new Refusal('forbidden', 'a ticket is no credential for another', { reason: 'ticket_for_ticket' });
  return undefined;
}

async function authenticated(
  request: IncomingMessage,
  deps: TicketRouteDeps,
): ReturnType<SessionAuthentication['authenticate']> {
  const { authentication, failures, prepare, addressGroupOf } = deps;
  const group = addressGroupOf(request);
  const blockedMs = await failures.blockedForMs(group);
  if (blockedMs > 0) return blocked(blockedMs);
  const session = await authentication.authenticate(prepare(request));
  if (session instanceof Refusal && session.code === 'unauthenticated') await failures.record(group);
  return session;
}

function replyWith(issued: Awaited<ReturnType<Tickets['issue']>>): RouteOutcome {
  return issued instanceof Refusal ? issued : { body: issued };
}

import type { IncomingMessage } from 'node:http';
import { Refusal } from '../refusal.js';
import type { RouteOutcome } from './route.js';

const PREFLIGHT_MAX_AGE_SECONDS = 600;
const ALLOWED_HEADERS =
  'Authorization, Content-Type, If-None-Match, Last-Event-ID, Aerie-Connection, Aerie-Resume';

/** What the edge asks about origins; `OriginPolicy` of the handshake answers. */
export interface CrossOrigin {
  /** Refuses a request whose Origin is not allowed. */
  check(request: IncomingMessage): Refusal | undefined;
  /** The CORS headers for an allowed Origin; at least `Vary` otherwise. */
  corsHeaders(request: IncomingMessage): Readonly<Record<string, string>>;
}

/** Answers `OPTIONS` of a cross-origin route: what the browser may send, or 403. */
export function preflight(
  request: IncomingMessage,
  origins: CrossOrigin,
  methods: readonly string[],
): RouteOutcome {
  const refusal = origins.check(request);
  if (refusal) return refusal;
  return {
    status: 204,
    headers: {
      'access-control-allow-methods': methods.join(', '),
      'access-control-allow-headers': ALLOWED_HEADERS,
      'access-control-max-age': `${PREFLIGHT_MAX_AGE_SECONDS}`,
    },
  };
}

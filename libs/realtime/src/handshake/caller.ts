import type { IncomingMessage } from 'node:http';
import type { Session } from '../connections/session.js';
import { Refusal } from '../refusal.js';
import type { HandshakeRequest } from './authenticator.js';
import type { FailureCounter } from './failure-counter.js';
import type { OriginPolicy } from './origin.js';
import { blocked } from './refusals.js';
import type { AuthenticateOptions, SessionAuthentication } from './session-authentication.js';

export interface CallerOptions {
  readonly authentication: Pick<SessionAuthentication, 'authenticate'>;
  readonly origins: Pick<OriginPolicy, 'check'>;
  readonly failures: Pick<FailureCounter, 'record' | 'blockedForMs'>;
  /** Makes of a bare request what authenticators and guards expect. */
  readonly prepare: (request: IncomingMessage) => HandshakeRequest;
  /** The key under which failures of this client count. */
  readonly addressGroupOf: (request: IncomingMessage) => string;
}

export interface CallOptions extends AuthenticateOptions {
  /**
   * Whether a cookie may come without an Origin, as browsers leave it out of a plain GET of the own page: for routes that no
   * foreign page can call, or that only read. Default false.
   */
  readonly withoutOrigin?: boolean;
}

/**
 * Who sends a request that is no handshake. Whatever a browser would attach by itself (a cookie) counts only with an allowed
 * Origin; that no plain cross-site form gets here is for the route to see to, by its content type or a header of its own.
 */
export class Caller {
  readonly #options: CallerOptions;

  constructor(options: CallerOptions) {
    this.#options = options;
  }

  async sessionOf(request: IncomingMessage, options: CallOptions = {}): Promise<Session | Refusal> {
    const { withoutOrigin = false } = options;
    const refusal =
      this.#options.origins.check(request) ?? (withoutOrigin ? undefined : lacksOrigin(request));
    return refusal ?? this.#authenticate(request, options);
  }

  async #authenticate(request: IncomingMessage, options: AuthenticateOptions): Promise<Session | Refusal> {
    const { authentication, failures, prepare, addressGroupOf } = this.#options;
    const group = addressGroupOf(request);
    const blockedMs = await failures.blockedForMs(group);
    if (blockedMs > 0) return blocked(blockedMs);
    const session = await authentication.authenticate(prepare(request), options);
    if (session instanceof Refusal && session.code === 'unauthenticated') await failures.record(group);
    return session;
  }
}

// What the page behind the request may not have meant.
function lacksOrigin({ headers }: IncomingMessage): Refusal | undefined {
  const { cookie, authorization, origin } = headers;
  if (cookie === undefined || authorization !== undefined || origin !== undefined) return undefined;
  return new Refusal('forbidden', 'with a cookie this needs an Origin', { reason: 'origin_missing' });
}

import { HttpException, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { hasExpired, type Session } from '../connections/session.js';
import { Refusal } from '../refusal.js';
import type { HandshakeRequest } from './authenticator.js';
import { rawRequest, sessionOf } from './request-identity.js';
import { type AuthenticateOptions, SessionAuthentication } from './session-authentication.js';
import { sessionOfClient } from './session-of-client.js';

/** A `Refusal` on its way through Nest: the same status and body as everywhere else. */
export class RefusedException extends HttpException {
  constructor(readonly refusal: Refusal) {
    super({ error: refusal.body }, refusal.status);
  }
}

/**
 * Lets through whoever Aerie knows. At the handshake and on HTTP routes it authenticates the request, once; on messages
 * the connection's session must stand. Anything else (RPC, GraphQL) it can't judge, and refuses.
 * @throws RefusedException (401, 403 or 503) for an HTTP request.
 */
@Injectable()
export class SessionGuard implements CanActivate {
  constructor(private readonly authentication: SessionAuthentication) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() === 'http')
      return this.#admit(context.switchToHttp().getRequest<HandshakeRequest>());
    if (context.getType() !== 'ws') return false;
    const session = sessionOfClient(context.switchToWs().getClient<unknown>());
    return session !== undefined && !hasExpired(session);
  }

  /** Who sent this request: the first step of every handshake, as a value instead of an exception. */
  admit(request: HandshakeRequest, options: AuthenticateOptions = {}): Promise<Session | Refusal> {
    return this.authentication.authenticate(request, options);
  }

  async #admit(request: HandshakeRequest): Promise<boolean> {
    const raw = rawRequest(request) as HandshakeRequest;
    if (sessionOf(raw)) return true;
    const outcome = await this.admit(raw);
    if (outcome instanceof Refusal) throw new RefusedException(outcome);
    if (raw !== request) Object.assign(request, { session: raw.session, user: raw.user });
    return true;
  }
}

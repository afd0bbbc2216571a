import { ServerResponse } from 'node:http';
import { HttpException, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { isObservable, lastValueFrom } from 'rxjs';
import { isUserId } from '@aerie/protocol';
import type { Session } from '../connections/session.js';
import { Refusal } from '../refusal.js';
import type { GuardAuthOptions, GuardedRequest, SessionLike } from './auth-options.js';
import { Authenticator, type HandshakeRequest } from './authenticator.js';
import { decodeJwt } from './decoded-jwt.js';
import { epochMs, isEpochSeconds } from './jwt-claims.js';
import { unauthenticated } from './refusals.js';

/** Lets an HTTP guard of the application authenticate, unchanged: it sees the upgrade request, bearer included. */
export class GuardAuthenticator extends Authenticator {
  readonly #guard: CanActivate;
  readonly #options: GuardAuthOptions;

  constructor(guard: CanActivate, options: GuardAuthOptions) {
    super();
    this.#guard = guard;
    this.#options = options;
  }

  /** Throws what the guard throws, unless that is a 401 or 403, and where `session()` names no user. */
  async authenticate(request: HandshakeRequest): Promise<Session | Refusal> {
    const refusal = await this.#refusal(request);
    if (refusal) return refusal;
    const named = await this.#options.session(request as GuardedRequest);
    return sessionFrom(named, request);
  }

  async #refusal(request: HandshakeRequest): Promise<Refusal | undefined> {
    try {
      return (await this.#passes(request)) ? undefined : forbidden();
    } catch (error) {
      const status = error instanceof HttpException ? error.getStatus() : undefined;
      if (status === 401) return unauthenticated('guard');
      if (status === 403) return forbidden();
      throw error;
    }
  }

  async #passes(request: HandshakeRequest): Promise<boolean> {
    const answer = this.#guard.canActivate(this.#contextOf(request));
    return isObservable(answer) ? lastValueFrom(answer) : answer;
  }

  /** An HTTP call whose handler carries no metadata (nothing is `@Public()` here) and whose response goes nowhere. */
  #contextOf(request: HandshakeRequest): ExecutionContext {
    const call = [request, new ServerResponse(request), (): void => undefined];
    return new ExecutionContextHost(call, this.#options.fromGuard, function handshake() {});
  }
}

// What Nest answers where a guard says no.
function forbidden(): Refusal {
  return new Refusal('forbidden', 'forbidden', { reason: 'guard' });
}

function sessionFrom(
  { user, tenant, claims = {}, ...given }: SessionLike,
  request: HandshakeRequest,
): Session {
  const id = typeof user === 'number' ? String(user) : user;
  if (!isUserId(id)) throw new TypeError('auth.session() returned no user of 1-128 bytes');
  const lifetime = { ...bearerLifetime(request), ...definedOf(given) };
  return { user: id, ...(tenant !== undefined && { tenant }), claims, ...lifetime };
}

type Lifetime = Pick<Session, 'expiresAt' | 'issuedAt' | 'jti'>;

/** What the bearer says of its own life. It is only decoded: the guard is who verified it. */
function bearerLifetime({ headers }: HandshakeRequest): Lifetime {
  const token = /^bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
  const { exp, session_exp, iat, jti } = (token !== undefined && decodeJwt(token)?.claims) || {};
  const expiry = session_exp ?? exp;
  return {
    ...(isEpochSeconds(expiry) && { expiresAt: epochMs(expiry) }),
    ...(isEpochSeconds(iat) && { issuedAt: epochMs(iat) }),
    ...(typeof jti === 'string' && { jti }),
  };
}

function definedOf({ expiresAt, issuedAt, jti }: Omit<SessionLike, 'user'>): Lifetime {
  return {
    ...(expiresAt !== undefined && { expiresAt }),
    ...(issuedAt !== undefined && { issuedAt }),
    ...(jti !== undefined && { jti }),
  };
}

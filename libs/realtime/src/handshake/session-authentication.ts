import { Inject, Injectable } from '@nestjs/common';
import { hasExpired, type Session } from '../connections/session.js';
import { Refusal } from '../refusal.js';
import { RevocationLog } from '../sessions/revocations.js';
import { type AuthOptions, REALTIME_AUTH_OPTIONS } from './auth-options.js';
import type { Credential, HandshakeRequest } from './authenticator.js';
import { CredentialCheck } from './credential-check.js';
import { credentialOf, exposeBearer, findCredential, type CredentialOptions } from './credentials.js';
import { unauthenticated } from './refusals.js';
import { clearIdentity, identify } from './request-identity.js';

export interface AuthenticateOptions {
  /** Uses no ticket up. Default false. */
  readonly dryRun?: boolean | undefined;
  /** What an earlier connection was given, for where the request's own credential is used up. */
  readonly proof?: string | undefined;
}

/**
 * From a request to the session behind it: credential, its worth, revocations, expiry. The one place that decides who
 * somebody is; where it refuses, the request is as it was.
 */
@Injectable()
export class SessionAuthentication {
  readonly #places: CredentialOptions;

  constructor(
    private readonly credentials: CredentialCheck,
    private readonly revocations: RevocationLog,
    @Inject(REALTIME_AUTH_OPTIONS) options: AuthOptions,
  ) {
    this.#places = { cookieName: options.cookieName, otherSchemes: !('jwt' in options) };
  }

  /** Whether a request brings anything that claims to be a credential, good or bad. */
  hasCredential(request: HandshakeRequest): boolean {
    return findCredential(request, { ...this.#places, otherSchemes: false }) !== undefined;
  }

  /** Whether a revocation names this session by now. */
  isRevoked(session: Session): boolean {
    return this.revocations.covers(session);
  }

  /** Who sent this request; sets `request.session` and `request.user`. */
  async authenticate(
    request: HandshakeRequest,
    options: AuthenticateOptions = {},
  ): Promise<Session | Refusal> {
    const credential = findCredential(request, this.#places);
    if (credential instanceof Refusal) return credential;
    const outcome = await this.#decide(request, credential, options);
    const { proof } = options;
    if (!isUnauthenticated(outcome) || proof === undefined || returns(credential)) return outcome;
    return this.#conclude(request, this.credentials.checkProof(proof));
  }

  /** Whether the client's next request brings this one's credential by itself, as good as it is now. */
  comesBack(request: HandshakeRequest): boolean {
    const credential = findCredential(request, this.#places);
    return !(credential instanceof Refusal) && returns(credential);
  }

  /** The same for `$auth {token | ticket}` on the upgrade request of its connection: the message's credential alone counts. */
  async authenticateMessage(request: HandshakeRequest, data: unknown): Promise<Session | Refusal> {
    const credential = credentialOfMessage(data);
    return credential instanceof Refusal ? credential : this.#decide(request, credential, {});
  }

  async #decide(
    request: HandshakeRequest,
    credential: Credential | undefined,
    options: AuthenticateOptions,
  ): Promise<Session | Refusal> {
    const restore = clearIdentity(request);
    if (credential) exposeBearer(request, credential);
    const outcome = this.#conclude(request, await this.credentials.check(request, credential, options));
    if (outcome instanceof Refusal) restore();
    return outcome;
  }

  #conclude(request: HandshakeRequest, outcome: Session | Refusal): Session | Refusal {
    const refusal = outcome instanceof Refusal ? outcome : this.#standing(outcome);
    if (refusal === undefined) identify(request, outcome as Session);
    return refusal ?? outcome;
  }

  #standing(session: Session): Refusal | undefined {
    if (hasExpired(session)) return unauthenticated('session_expired');
    return this.isRevoked(session) ? unauthenticated('revoked') : undefined;
  }
}

function isUnauthenticated(outcome: Session | Refusal): boolean {
  return outcome instanceof Refusal && outcome.code === 'unauthenticated';
}

// What stands in a URL is used up, or soon too old; a URL without any is how the first connection's cookie may have ended.
function returns(credential: Credential | undefined): boolean {
  return credential !== undefined && credential.source !== 'ticket' && credential.source !== 'query';
}

function credentialOfMessage(data: unknown): Credential | Refusal {
  const { token, ticket } =
    typeof data === 'object' && data !== null ? (data as { token?: unknown; ticket?: unknown }) : {};
  if (token !== undefined && ticket !== undefined) return unauthenticated('repeated_credential');
  const value = token ?? ticket;
  if (typeof value !== 'string')
    return unauthenticated(value === undefined ? 'no_credential' : 'malformed_credential');
  return credentialOf(ticket === undefined ? 'message' : 'ticket', value);
}

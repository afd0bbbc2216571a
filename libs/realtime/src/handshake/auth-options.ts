import type { CanActivate, Type } from '@nestjs/common';
import type { Authenticator, HandshakeRequest } from './authenticator.js';

/** How tokens are checked. HS256 with `secret`, asymmetric algorithms with `jwksUrl`; with neither, no token is good. */
export interface JwtOptions {
  /** At least 32 bytes in production. */
  readonly secret?: string | undefined;
  /** The secret before a rotation: accepted, too. */
  readonly previousSecret?: string | undefined;
  /** Where the issuer publishes its public keys (http or https). */
  readonly jwksUrl?: string | undefined;
  /** `aud` must name one of these. Default: not checked. */
  readonly audience?: string | readonly string[] | undefined;
  /** `iss` must equal this. Default: not checked. */
  readonly issuer?: string | undefined;
  /** The header's `typ` must equal this (`at+jwt`, say). Default: not checked. */
  readonly typ?: string | undefined;
  /** How far the issuer's clock may be off. Default 5. */
  readonly leewaySeconds?: number | undefined;
}

interface CommonAuthOptions {
  /** The cookie that may carry the token. Default: cookies are not looked at. */
  readonly cookieName?: string | undefined;
  /**
   * Whether a client may connect without a credential and send it as its first message. Default true with `jwt`, false
   * where the application's guard or authenticator decides: it may know people by something else (a client certificate,
   * say), who would be made to wait for that message.
   */
  readonly firstMessage?: boolean | undefined;
  /**
   * Signs what clients of the HTTP transports come back with; the same on every node. Default: the JWT secret; without one
   * a client is known again only by the node that it was on.
   */
  readonly resumeSecret?: string | undefined;
}

/** Aerie verifies JWTs itself. */
export interface JwtAuthOptions extends CommonAuthOptions {
  readonly jwt: JwtOptions;
}

/** A provider of the application authenticates. */
export interface ExistingAuthOptions extends CommonAuthOptions {
  readonly useExisting: Type<Authenticator>;
}

/** A request that the application's guard let pass, with the `user` that it put there. */
export type GuardedRequest = HandshakeRequest & { user: Readonly<Record<string, unknown>> };

/** What an application says of who its guard let in; checked before it becomes a `Session`. */
export interface SessionLike {
  /** A string of 1-128 bytes without control characters, or a number. */
  readonly user: unknown;
  readonly tenant?: string | undefined;
  readonly claims?: Readonly<Record<string, unknown>>;
  /** Epoch milliseconds. Default: the expiry of the bearer JWT on the request, if there is one. */
  readonly expiresAt?: number | undefined;
  /** Epoch milliseconds. Default: the `iat` of the bearer JWT. */
  readonly issuedAt?: number | undefined;
  /** Default: the `jti` of the bearer JWT. */
  readonly jti?: string | undefined;
}

/** An HTTP guard that the application already has authenticates. */
export interface GuardAuthOptions extends CommonAuthOptions {
  readonly fromGuard: Type<CanActivate>;
  /** Says who the guard let in. A method, so that it may name the application's own type of `user`. */
  session(request: GuardedRequest): SessionLike | Promise<SessionLike>;
}

export type AuthOptions = JwtAuthOptions | ExistingAuthOptions | GuardAuthOptions;

/** DI token of the `AuthOptions` that the module was configured with. */
export const REALTIME_AUTH_OPTIONS = Symbol('aerie:auth-options');

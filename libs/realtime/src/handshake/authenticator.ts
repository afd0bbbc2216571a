import type { IncomingMessage } from 'node:http';
import type { Session } from '../connections/session.js';
import type { Transport } from '../connections/wire.js';
import type { Refusal } from '../refusal.js';

/** Where a credential was found. `message` is the `$auth` of first-message authentication or a renewal. */
export type CredentialSource = 'header' | 'subprotocol' | 'cookie' | 'ticket' | 'query' | 'message';

export interface Credential {
  readonly source: CredentialSource;
  /** The bare token or ticket. Secret: never logged, never put into an error. */
  readonly value: string;
}

/** The upgrade (or plain HTTP) request as guards and authenticators see it: the platform's own, with these filled in. */
export interface HandshakeRequest extends IncomingMessage {
  ip: string;
  query: Record<string, string | string[]>;
  params: Record<string, string>;
  cookies: Record<string, string>;
  /** The gateway's path without the query string, which never leaves the handshake. */
  path: string;
  /** By which transport it wants to come in. */
  transport: Transport;
  /** Set by `SessionGuard` once authentication passed. */
  session?: Session;
  user?: unknown;
}

/**
 * Turns a request and the credential found on it into a session, or refuses. Called once per handshake before any guard,
 * and at every `$auth`. Expected refusals are values; a throw is a fault and becomes 503.
 */
export abstract class Authenticator {
  /** Without a credential `credential` is undefined: an authenticator may still accept (a client certificate, say). */
  abstract authenticate(
    request: HandshakeRequest,
    credential: Credential | undefined,
  ): Promise<Session | Refusal>;
}

import { IncomingMessage } from 'node:http';
import type { Session } from '../connections/session.js';
import type { HandshakeRequest } from './authenticator.js';

/** Nobody else can write here, and unlike a WeakMap's entry it costs a connection next to nothing. */
const SESSION = Symbol('aerie:session');

interface Identified {
  [SESSION]?: Session | undefined;
}

/**
 * The session that authentication put on a request. A `session` property alone proves nothing: express-session and others
 * put one on every request.
 */
export function sessionOf(request: object): Session | undefined {
  return (rawRequest(request) as Identified)[SESSION];
}

/** Node's own request: Fastify wraps it, Express hands it out. */
export function rawRequest(request: object): object {
  const raw: unknown = 'raw' in request ? request.raw : undefined;
  return raw instanceof IncomingMessage ? raw : request;
}

/** Says on a request who it is from. Somebody else's `request.session` and what a guard put on `request.user` stay. */
export function identify(request: HandshakeRequest & Identified, session: Session): void {
  if (request.session === undefined || request.session === request[SESSION]) request.session = session;
  request[SESSION] = session;
  request.user ??= session;
}

/** Clears who a request is from for another try; the returned function puts it back where that fails. */
export function clearIdentity(request: HandshakeRequest & Identified): () => void {
  const session = request[SESSION];
  const { user, session: shown } = request;
  const { authorization } = request.headers;
  if (shown === session) delete request.session;
  request[SESSION] = undefined;
  delete request.user;
  return () => {
    request[SESSION] = session;
    set(request, 'session', shown);
    set(request, 'user', user);
    set(request.headers, 'authorization', authorization);
  };
}

function set<Target extends object, Key extends keyof Target>(
  target: Target,
  key: Key,
  value: Target[Key] | undefined,
): void {
  if (value === undefined) Reflect.deleteProperty(target, key);
  else target[key] = value;
}

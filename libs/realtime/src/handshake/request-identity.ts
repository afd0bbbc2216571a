import { IncomingMessage } from 'node:http';
import type { Session } from '../connections/session.js';
import type { HandshakeRequest } from './authenticator.js';

const sessions = new WeakMap<object, Session>();

/**
 * The session that authentication put on a request. A `session` property alone proves nothing: express-session and others
 * put one on every request.
 */
export function sessionOf(request: object): Session | undefined {
  return sessions.get(rawRequest(request));
}

/** Node's own request: Fastify wraps it, Express hands it out. */
export function rawRequest(request: object): object {
  const raw: unknown = 'raw' in request ? request.raw : undefined;
  return raw instanceof IncomingMessage ? raw : request;
}

/** Says on a request who it is from. Somebody else's `request.session` and what a guard put on `request.user` stay. */
export function identify(request: HandshakeRequest, session: Session): void {
  if (request.session === undefined || request.session === sessions.get(request)) request.session = session;
  sessions.set(request, session);
  request.user ??= session;
}

/** Clears who a request is from for another try; the returned function puts it back where that fails. */
export function clearIdentity(request: HandshakeRequest): () => void {
  const session = sessions.get(request);
  const { user, session: shown } = request;
  const { authorization } = request.headers;
  if (shown === session) delete request.session;
  sessions.delete(request);
  delete request.user;
  return () => {
    if (session) sessions.set(request, session);
    else sessions.delete(request);
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

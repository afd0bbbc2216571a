import { isUserId } from '@aerie/protocol';
import type { Session } from '../connections/session.js';

/** The session of a connection as handlers see it; undefined for a client that did not come through Aerie's handshake. */
export function sessionOfClient(client: unknown): Session | undefined {
  if (typeof client !== 'object' || client === null || !('session' in client)) return undefined;
  const { session } = client;
  return isSession(session) ? session : undefined;
}

function isSession(value: unknown): value is Session {
  return typeof value === 'object' && value !== null && 'user' in value && isUserId(value.user);
}

import type { Session } from '../connections/session.js';

/** Whether a session's time is over. */
export function hasExpired({ expiresAt }: Session): boolean {
  return expiresAt !== undefined && expiresAt <= Date.now();
}

import type { Session } from '../connections/session.js';

/** What is no longer welcome. At least one field; several narrow it down (`user` AND `issuedBefore`). */
export interface Revocation {
  readonly user?: string;
  readonly jti?: string;
  /** Epoch milliseconds: sessions issued before it, or without `issuedAt`. */
  readonly issuedBefore?: number;
}

/**
 * Port. The revocations of the last `maxTokenLifeMs` (default 30 days), a full copy of which every node holds: reading
 * never leaves the process. `add` rejects when the store is away; nothing is then promised.
 */
export abstract class RevocationLog {
  /** Whether the full copy was read: a node is not ready before. */
  abstract readonly loaded: boolean;
  /**
   * Loads the full copy and follows it; `onAdded` is told of each entry that arrives later, from any node. Resolves even
   * if the store is away: it goes on trying, and `loaded` tells.
   */
  abstract start(onAdded: (revocation: Revocation) => void): Promise<void>;
  abstract add(revocation: Revocation): Promise<void>;
  /** Whether a standing revocation names this session. Synchronous, local. */
  abstract covers(session: Session): boolean;
  /** Reads what is newer than the local copy; called first after each backplane gap. Never rejects: the driver goes on trying. */
  abstract refresh(): Promise<void>;
  abstract close(): Promise<void>;
}

/** Whether one revocation names a session. */
export function revokes(revocation: Revocation, session: Session): boolean {
  if (revocation.user !== undefined && revocation.user !== session.user) return false;
  if (revocation.jti !== undefined && revocation.jti !== session.jti) return false;
  if (
    revocation.issuedBefore !== undefined &&
    session.issuedAt !== undefined &&
    session.issuedAt >= revocation.issuedBefore
  )
    return false;
  return (
    revocation.user !== undefined || revocation.jti !== undefined || revocation.issuedBefore !== undefined
  );
}

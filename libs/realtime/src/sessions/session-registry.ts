import type { Transport } from '../connections/wire.js';
import type { Lease } from './node-directory.js';
import type { SessionEvent } from './session-event.js';

/** A live connection, as every node may see it. */
export interface ConnectionRecord {
  readonly id: string;
  readonly node: string;
  readonly tenant?: string;
  readonly transport: Transport;
  readonly address: string;
  /** Epoch milliseconds. */
  readonly openedAt: number;
  /** Epoch milliseconds; null for a session without an end. */
  readonly expiresAt: number | null;
}

/** How many connections a user may have, on all nodes together, and what happens to one too many. */
export interface UserLimit {
  readonly max: number;
  readonly overflow: 'refuse' | 'replace';
}

export interface Entering {
  readonly type: 'enter';
  readonly user: string;
  readonly record: ConnectionRecord;
  /** Whether somebody wants to hear of it, and of its end. */
  readonly told: boolean;
  /** The store may know it already, or have lost it: no news. */
  readonly again: boolean;
  readonly limit?: UserLimit | undefined;
}

export interface Leaving {
  readonly type: 'leave';
  readonly user: string;
  readonly connection: string;
  /** How long its user still counts as online. Milliseconds. */
  readonly graceMs: number;
  readonly code: number;
  readonly reason: string;
}

export type SessionChange = Entering | Leaving;

/** What came of a change. `ok: false`: the lease was over, nothing was written. */
export type Written =
  | {
      readonly ok: true;
      /** What it brought about; they stay with the store until they are acknowledged. */
      readonly events: readonly SessionEvent[];
      /** Connections of the user that its limit has no room for, the oldest first; with `overflow: 'replace'`. */
      readonly surplus: readonly string[];
    }
  | { readonly ok: false };

export interface UserSessions {
  /** True while there is a connection, and for the grace after the last one. */
  readonly online: boolean;
  readonly connections: readonly ConnectionRecord[];
}

/** `swept`: nothing is left. `refused`: the sweeper's own lease was over. */
export interface SweepStep {
  readonly state: 'more' | 'swept' | 'refused';
  readonly removed: number;
  readonly events: readonly SessionEvent[];
}

export interface ClaimOptions {
  /** Whether this node tells events that others have not told in time. */
  readonly listening: boolean;
}

/**
 * Port. Which users have which connections on which nodes. Each change and the events it brings about are one step: of
 * several nodes that try the same, one gets the event. Every write is made under the writer's lease, and refused once that is
 * over by the store's clock. Rejects with `BackplaneUnavailable` where the outcome is unknown; all of it may be repeated.
 */
export abstract class SessionRegistry {
  /** Applies changes in order, each for itself; the answers are in the same order. */
  abstract write(lease: Lease, changes: readonly SessionChange[]): Promise<readonly Written[]>;
  /** Removes some of what stands under a dead fence, as `node_lost` and without grace. Called until it is done. */
  abstract sweep(lease: Lease, fence: string): Promise<SweepStep>;
  /** Takes users offline whose grace is over, and claims events that nobody acknowledged in time. */
  abstract claimDue(lease: Lease, options: ClaimOptions): Promise<readonly SessionEvent[]>;
  /** They were told: nobody will be told again. */
  abstract acknowledge(events: readonly SessionEvent[]): Promise<void>;
  /** One round trip. */
  abstract ofUser(user: string): Promise<UserSessions>;
  /**
   * Whether the user has room for one more connection. It is kept for `holdMs`, or until the user's next connection enters;
   * with 0 it is only looked at.
   */
  abstract hold(user: string, max: number, holdMs: number): Promise<boolean>;
}

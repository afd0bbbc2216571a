import type { Lease } from '../sessions/node-directory.js';

/** A subscription of a connection to a channel with presence. */
export interface PresenceEntering {
  readonly type: 'enter';
  readonly channel: string;
  readonly connection: string;
  readonly user: string;
}

/** Its end. */
export interface PresenceLeaving {
  readonly type: 'leave';
  readonly channel: string;
  readonly connection: string;
  /** How long its user still counts as a member. Milliseconds. */
  readonly graceMs: number;
}

export type PresenceChange = PresenceEntering | PresenceLeaving;

/** A user in a channel. */
export interface PresenceMember {
  readonly user: string;
  /** Its subscriptions on all nodes; 0 while its grace runs. */
  readonly connections: number;
}

export interface PresenceRange {
  /** The user behind whom the page begins. */
  readonly after?: string | undefined;
  readonly limit: number;
}

/** Some of a channel's members, in the order of their UTF-8 bytes. */
export interface PresencePage {
  /** One more with each member that comes or goes. 0 for a channel without members, and never less than before for one that has some again. */
  readonly version: number;
  readonly members: readonly PresenceMember[];
  /** Whether there are members behind these. */
  readonly more: boolean;
}

/** `refused`: the sweeper's own lease was over. */
export interface PresenceSweep {
  readonly state: 'more' | 'swept' | 'refused';
  /** Subscriptions that were removed. */
  readonly removed: number;
}

/**
 * Port. Who is in which channel: one member per user, however many connections. A change, the channel's version, and the
 * `$join` or `$leave` that it announces on `presenceChannel(channel)` are one step: of several nodes that try the same, one
 * announces it. Every write is made under the writer's lease, and refused once that is over by the store's clock. Rejects with
 * `BackplaneUnavailable` where the outcome is unknown; all of it may be repeated.
 */
export abstract class PresenceStore {
  /** Applies changes in order, each for itself. The answers are in the same order; false: the lease was over. */
  abstract write(lease: Lease, changes: readonly PresenceChange[]): Promise<readonly boolean[]>;
  /** Removes some of what stands under a dead fence, without grace. Called until it is done. */
  abstract sweep(lease: Lease, fence: string): Promise<PresenceSweep>;
  /** Takes members out whose grace is over. */
  abstract endGraces(lease: Lease): Promise<void>;
  abstract page(channel: string, range: PresenceRange): Promise<PresencePage>;
}

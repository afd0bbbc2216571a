/** How long things take in sessions. */
export interface SessionOptions {
  /** How long a node may be silent before others clear its connections away. Milliseconds, default 10,000. */
  readonly leaseMs?: number | undefined;
  /** How long a user whose last connection was lost still counts as online. Milliseconds, default 10,000. */
  readonly graceMs?: number | undefined;
}

/** All in milliseconds. */
export interface SessionTimes {
  readonly leaseMs: number;
  readonly renewMs: number;
  /** A gap between two ticks past which the node may have been swept meanwhile. */
  readonly stallMs: number;
  /** From the end of a lease to its sweep. */
  readonly sweepMarginMs: number;
  readonly sweepAgainMs: readonly number[];
  /** How long it may take until everybody is written anew after the store lost its data. */
  readonly rewriteMs: number;
  readonly graceMs: number;
  /** Grace of connections that were given away. */
  readonly drainGraceMs: number;
  /** Between two looks at what is due, on one node; several nodes share the work. */
  readonly roundMs: number;
}

const DEFAULT_MS = 10_000;

/** Everything follows from the lease: renewed three times in it, stalled at half of it. */
export function sessionTimes(options: SessionOptions, drainGraceMs: number): SessionTimes {
  const { leaseMs = DEFAULT_MS, graceMs = DEFAULT_MS } = options;
  return {
    leaseMs,
    renewMs: leaseMs * 0.3,
    stallMs: leaseMs / 2,
    sweepMarginMs: leaseMs / 5,
    sweepAgainMs: [leaseMs, 6 * leaseMs],
    rewriteMs: 2 * leaseMs,
    graceMs,
    drainGraceMs,
    roundMs: leaseMs / 10,
  };
}

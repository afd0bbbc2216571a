/** One gateway process as the others see it. */
export interface NodeInfo {
  readonly node: string;
  readonly connections: number;
  readonly users: number;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly draining: boolean;
}

/** A node's right to write about its connections, until it ends or is renewed. */
export interface Lease {
  readonly node: string;
  /** One incarnation of the node: never used again after it was given up or swept. */
  readonly fence: string;
  /** Epoch milliseconds, by the store's clock: what it says at or after this is not taken. */
  readonly leaseUntil: number;
}

/** What a node says when it renews. */
export interface LeaseClaim {
  readonly info: NodeInfo;
  readonly fence: string;
  /** How long the lease lives from now on. Milliseconds. */
  readonly leaseMs: number;
  /** Begins a new lease; without it a lease that is not there stays `absent`. */
  readonly joins?: boolean;
  /** Fences that this node is moving its connections away from: kept alive as well, so that nobody sweeps them meanwhile. */
  readonly former?: readonly string[] | undefined;
}

/** A lease whose time is over, as it was seen. */
export interface DeadLease {
  readonly fence: string;
  readonly leaseUntil: number;
}

/**
 * `held`: it goes on, even where it had run out and nobody noticed. `absent`: the store knows nothing of it, most likely because
 * it lost its data; nothing was swept. `swept`: others cleared what the node had.
 */
export type LeaseState = 'held' | 'absent' | 'swept';

/** The answer to a renewal, and what the store knows of the others at that moment. */
export interface LeaseView {
  readonly state: LeaseState;
  readonly leaseUntil: number;
  /** The unbroken life of the store's data: another one means that the latest writes may be lost. */
  readonly origin: string;
  /** Whether the driver had to connect anew since the last renewal. */
  readonly reconnected: boolean;
  /** Nodes with a living lease. */
  readonly nodes: number;
  readonly dead: readonly DeadLease[];
  /** Whether a sweep is due again. */
  readonly sweepsDue: boolean;
}

export interface SweepTimes {
  /** How long after its end a lease may be swept. Milliseconds. */
  readonly marginMs: number;
  /** When after the first sweep the same lease is swept again. Milliseconds. */
  readonly againMs: readonly number[];
}

/** Port. Who else is there: a lease per node, in the store's own time. Rejects with `BackplaneUnavailable` where the store is away. */
export abstract class NodeDirectory {
  abstract renew(claim: LeaseClaim): Promise<LeaseView>;
  /**
   * Claims the sweeps of these leases, where they are still as dead as they were seen, and of those that are due again. The
   * same step writes the tombstone that answers `swept` to their node. A fence is given to one caller at a time.
   */
  abstract claimSweeps(dead: readonly DeadLease[], times: SweepTimes): Promise<readonly string[]>;
  /** The nodes with a living lease. */
  abstract list(): Promise<readonly NodeInfo[]>;
  /** Gives a lease up whose connections are all gone from the store. */
  abstract withdraw(fence: string): Promise<void>;
}

import {
  type DeadLease,
  type LeaseClaim,
  type LeaseState,
  NodeDirectory,
  type NodeInfo,
  type LeaseView,
  type SweepTimes,
} from '../sessions/node-directory.js';

interface Entry {
  /** Absent for one that its node is moving away from. */
  readonly info: NodeInfo | undefined;
  readonly leaseUntil: number;
}

const TOMBSTONE_MS = 24 * 3_600_000;

/** Leases of one process: its own, and those of the other nodes where a test lets several share it. */
export class MemoryNodeDirectory extends NodeDirectory {
  readonly #leases = new Map<string, Entry>();
  /** By the time of the first sweep. */
  readonly #swept = new Map<string, number>();
  readonly #sweeps = new Map<string, number>();

  async renew({ info, fence, leaseMs, joins = false, former = [] }: LeaseClaim): Promise<LeaseView> {
    const now = Date.now();
    const leaseUntil = now + leaseMs;
    const state = this.#stateOf(fence, joins);
    if (state === 'held') {
      this.#leases.set(fence, { info, leaseUntil });
      for (const kept of former) this.#leases.set(kept, { info: undefined, leaseUntil });
    }
    return {
      state,
      leaseUntil,
      origin: 'memory',
      reconnected: false,
      nodes: this.#living(now).length,
      dead: this.#dead(now),
      sweepsDue: [...this.#sweeps.values()].some((due) => due <= now),
    };
  }

  async claimSweeps(
    dead: readonly DeadLease[],
    { marginMs, againMs }: SweepTimes,
  ): Promise<readonly string[]> {
    const now = Date.now();
    this.#forgetTombstones(now);
    for (const { fence, leaseUntil } of dead) {
      if (this.#leases.get(fence)?.leaseUntil !== leaseUntil || leaseUntil + marginMs > now) continue;
      this.#leases.delete(fence);
      this.#swept.set(fence, now);
      this.#sweeps.set(fence, now);
    }
    const due = [...this.#sweeps].filter(([, at]) => at <= now).map(([fence]) => fence);
    for (const fence of due) this.#planNext(fence, againMs, now);
    return due;
  }

  async list(): Promise<readonly NodeInfo[]> {
    return this.#living(Date.now()).flatMap(({ info }) => info ?? []);
  }

  async withdraw(fence: string): Promise<void> {
    this.#leases.delete(fence);
  }

  #stateOf(fence: string, joins: boolean): LeaseState {
    if (this.#swept.has(fence)) return 'swept';
    return joins || this.#leases.has(fence) ? 'held' : 'absent';
  }

  #living(now: number): readonly Entry[] {
    return [...this.#leases.values()].filter(({ leaseUntil }) => leaseUntil > now);
  }

  #dead(now: number): readonly DeadLease[] {
    const dead = [...this.#leases].filter(([, { leaseUntil }]) => leaseUntil <= now);
    return dead.map(([fence, { leaseUntil }]) => ({ fence, leaseUntil }));
  }

  #planNext(fence: string, againMs: readonly number[], now: number): void {
    const first = this.#swept.get(fence) ?? 0;
    const next = againMs.map((afterMs) => first + afterMs).find((at) => at > now);
    if (next === undefined) this.#sweeps.delete(fence);
    else this.#sweeps.set(fence, next);
  }

  #forgetTombstones(now: number): void {
    for (const [fence, at] of this.#swept) if (at + TOMBSTONE_MS <= now) this.#swept.delete(fence);
  }
}

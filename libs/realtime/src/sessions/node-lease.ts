import { randomBytes } from 'node:crypto';
import { Logger } from '@nestjs/common';
import type { Lease, LeaseState, NodeDirectory, NodeInfo, LeaseView } from './node-directory.js';
import type { SessionTimes } from './session-times.js';

/** DI token of this node's name. */
export const NODE_NAME = Symbol('aerie:node');

/** A store that loses its data again and again must not make the list of them grow. */
const MAX_FORMER = 8;

/** What happens to a lease. Each is done before the renewal that found it counts as answered. */
export interface LeaseEvents {
  /** Others cleared what this node had: nobody may stay. A new lease is there. */
  onSwept(): void;
  /**
   * The store lost what it knew, or the latest of it, or was not told all: a new lease is there, and everything is to be written
   * anew. The fences from before are kept alive until `settled`.
   */
  onAnew(former: readonly string[]): void;
  /** Held, and this is what the store knows of the others. */
  onHeld(view: LeaseView): void;
}

export interface NodeLeaseOptions {
  readonly directory: NodeDirectory;
  readonly info: () => NodeInfo;
  readonly times: SessionTimes;
  readonly events: LeaseEvents;
}

/** This node's lease: renewed all the time, and told of where it was lost. */
export class NodeLease {
  readonly #options: NodeLeaseOptions;
  readonly #logger = new Logger('AerieSessions');
  #lease: Lease | undefined;
  /** Fences that are kept alive while their connections move to the present lease. */
  #former: readonly string[] = [];
  #isMoving = false;
  #isToMove = false;
  #origin: string | undefined;
  #nodes = 1;
  #quietUntil = Infinity;
  #gatheredAt = 0;
  #away = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;
  #renewing: Promise<LeaseState | undefined> | undefined;

  constructor(options: NodeLeaseOptions) {
    this.#options = options;
  }

  /** What to write under. Undefined until the first answer. */
  get current(): Lease | undefined {
    return this.#lease;
  }

  /** Living nodes, as the last renewal saw them; at least this one. */
  get nodes(): number {
    return this.#nodes;
  }

  /** Whether what this node sees of the others is too fresh to act on: they may not have had the time to renew. */
  get isQuiet(): boolean {
    return performance.now() < this.#quietUntil;
  }

  /** Whether the store lost its data a moment ago: the nodes are still writing anew who is connected. */
  get isGathering(): boolean {
    return performance.now() < this.#gatheredAt;
  }

  async start(): Promise<void> {
    await this.#renew();
    this.#timer = setInterval(() => void this.#renew(), this.#options.times.renewMs).unref();
  }

  /** A renewal that begins now. Undefined: the store did not answer. */
  async renewAfresh(): Promise<LeaseState | undefined> {
    await this.#renewing;
    return this.#renew();
  }

  /** What the store has under this lease may be wrong: with the next renewal everything is written anew. */
  beginAnew(): void {
    if (!this.#isToMove)
      this.#logger.warn(
        'too much ended while Redis is away: not all of it is told, and all is written anew then',
      );
    this.#isToMove = true;
  }

  /** Nothing is left under these fences. */
  async settled(former: readonly string[]): Promise<void> {
    this.#former = this.#former.filter((fence) => !former.includes(fence));
    for (const fence of former) await this.#options.directory.withdraw(fence);
  }

  stop(): void {
    this.#closed = true;
    clearInterval(this.#timer);
  }

  /** Gives the lease up; only once nothing is left in the store. */
  async withdraw(): Promise<void> {
    await this.#renewing;
    if (this.#lease !== undefined) await this.#options.directory.withdraw(this.#lease.fence);
  }

  #renew(): Promise<LeaseState | undefined> {
    this.#renewing ??= this.#ask().finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }

  async #ask(): Promise<LeaseState | undefined> {
    try {
      const state = await (this.#lease === undefined ? this.#join() : this.#extend(this.#lease));
      this.#away = false;
      return state;
    } catch {
      this.#beQuiet();
      if (!this.#away && !this.#closed)
        this.#logger.warn('the lease of this node was not renewed; trying again all the time');
      this.#away = true;
      return undefined;
    }
  }

  async #extend(lease: Lease): Promise<LeaseState> {
    const view = await this.#claim(lease.fence, false);
    if (view.state === 'swept') return this.#swept();
    const isAnother = this.#origin !== undefined && view.origin !== this.#origin;
    if (view.state === 'absent' || isAnother) return this.#lost(lease);
    if (this.#isToMove && this.#former.length === 0) return this.#anew(lease);
    if (view.reconnected) this.#beQuiet();
    this.#take(lease.fence, view);
    this.#options.events.onHeld(view);
    return 'held';
  }

  async #join(): Promise<LeaseState> {
    const fence = randomBytes(12).toString('hex');
    const view = await this.#claim(fence, true);
    this.#beQuiet();
    this.#take(fence, view);
    if (!this.#isMoving) return 'held';
    this.#isMoving = false;
    this.#options.events.onAnew(this.#former);
    return 'absent';
  }

  async #swept(): Promise<LeaseState> {
    this.#logger.warn('this node was taken for dead and its connections were cleared: closing them all');
    this.#lease = undefined;
    this.#former = [];
    this.#options.events.onSwept();
    await this.#join();
    return 'swept';
  }

  #lost(lease: Lease): Promise<LeaseState> {
    this.#logger.warn('Redis lost its latest data: writing the sessions of this node anew');
    return this.#anew(lease);
  }

  #anew({ fence }: Lease): Promise<LeaseState> {
    this.#isToMove = false;
    this.#gatheredAt = performance.now() + this.#options.times.leaseMs;
    this.#former = [...this.#former, fence].slice(-MAX_FORMER);
    this.#isMoving = true;
    this.#lease = undefined;
    return this.#join();
  }

  #claim(fence: string, joins: boolean): Promise<LeaseView> {
    const { directory, info, times } = this.#options;
    return directory.renew({
      info: info(),
      fence,
      leaseMs: times.leaseMs,
      joins,
      former: this.#former,
    });
  }

  #take(fence: string, { leaseUntil, origin, nodes }: LeaseView): void {
    this.#lease = { node: this.#options.info().node, fence, leaseUntil };
    this.#origin = origin;
    this.#nodes = Math.max(1, nodes);
  }

  #beQuiet(): void {
    const { leaseMs } = this.#options.times;
    this.#quietUntil = performance.now() + leaseMs * (1 + 0.2 * Math.random());
  }
}

import { Logger } from '@nestjs/common';
import type { Connection } from '../connections/connection.js';
import type { ConnectionRegistry } from '../connections/connection-registry.js';
import { within } from '../deadline.js';
import { BackplaneUnavailable } from '../publishing/backplane.js';
import type { Lease } from './node-directory.js';

/** What the store does not know yet: of each thing only what counts, in order. */
export interface PendingList<Change> {
  readonly size: number;
  /** The changes of so many things, which leave this list. */
  take(most: number): readonly Change[];
  /** Puts back what may not have been written. What came meanwhile is later. */
  putBack(changes: readonly Change[]): void;
  /** Forgets the oldest thing that has ended. False where there is none. */
  forgetOldest(): boolean;
  /** Forgets what is about things that the store has known. */
  forgetKnown(): void;
}

export interface WriteBehindOptions<Change> {
  readonly pending: PendingList<Change>;
  readonly connections: Pick<ConnectionRegistry, 'all'>;
  readonly lease: () => Lease | undefined;
  /** Which of the changes are written now. May reject: any of them may be. */
  readonly write: (lease: Lease, changes: readonly Change[]) => Promise<readonly boolean[]>;
  /** Puts all that is true of a connection into the list, though the store may have it. */
  readonly enterAgain: (connection: Connection) => void;
  /** Ends were forgotten, as too many waited: what the store has of them stays there until everything is written anew. */
  readonly onForgotten: () => void;
  /** Things that may wait while the store is away. Default 100,000. */
  readonly mostPending?: number;
}

const MOST_PENDING = 100_000;
const MOST_PER_WRITE = 500;
/** So long the first of several waits for the others: many writes of one change each would cost more than the changes. */
const GATHER_MS = 20;
/** Connections that are written anew at once, and after how long the next: 1,000 a second. */
const ANEW_CHUNK = 100;
const ANEW_PAUSE_MS = 100;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2_000;

/**
 * Brings a store to what is true on this node, at its own pace: nobody waits for it. One write is answered before the next, so
 * that order is kept; what was written without an answer is written again.
 */
export class WriteBehind<Change> {
  readonly #options: WriteBehindOptions<Change>;
  readonly #logger = new Logger('AerieSessions');
  #working: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = RETRY_MIN_MS;
  #hasFailed = false;
  /** Counts the times at which all was to be written anew, or dropped: an older round ends. */
  #round = 0;
  #closed = false;

  constructor(options: WriteBehindOptions<Change>) {
    this.#options = options;
  }

  /** Something was put into the list. */
  changed(): void {
    const { pending, mostPending = MOST_PENDING, onForgotten } = this.#options;
    if (pending.size > mostPending && pending.forgetOldest()) onForgotten();
    this.#work();
  }

  /** There is a lease again, or a new one. */
  wake(): void {
    this.#retryMs = RETRY_MIN_MS;
    this.#work();
  }

  /** Writes everything anew, by and by. False where it was not brought to its end. */
  async writeAnew(): Promise<boolean> {
    const round = (this.#round += 1);
    const goesOn = (): boolean => round === this.#round && !this.#closed;
    const { connections, enterAgain, pending } = this.#options;
    const all = [...connections.all()];
    for (let from = 0; from < all.length && goesOn(); from += ANEW_CHUNK) {
      for (const connection of all.slice(from, from + ANEW_CHUNK)) enterAgain(connection);
      await pause(ANEW_PAUSE_MS);
    }
    while (pending.size > 0 && goesOn()) await pause(ANEW_PAUSE_MS);
    return goesOn();
  }

  /** What the store had of this node was cleared by others. */
  drop(): void {
    this.#round += 1;
    this.#options.pending.forgetKnown();
  }

  /** Writes what it can within `deadlineMs` and stops. True where the store knows everything. */
  async close(deadlineMs: number): Promise<boolean> {
    this.wake();
    await within(deadlineMs, this.#working ?? Promise.resolve(), () => undefined);
    this.#closed = true;
    clearTimeout(this.#retry);
    return this.#options.pending.size === 0 && this.#working === undefined;
  }

  #work(): void {
    if (this.#closed || this.#working !== undefined) return;
    clearTimeout(this.#retry);
    this.#working = this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    await pause(GATHER_MS);
    const { pending, lease } = this.#options;
    let isWritten = true;
    while (pending.size > 0 && isWritten) {
      const current = lease();
      isWritten = current !== undefined && (await this.#writeSome(current));
      if (isWritten) this.#retryMs = RETRY_MIN_MS;
      if (isWritten && pending.size > 0 && pending.size < MOST_PER_WRITE) await pause(GATHER_MS);
    }
    this.#working = undefined;
    if (!isWritten) this.#tryLater();
  }

  async #writeSome(lease: Lease): Promise<boolean> {
    const round = this.#round;
    const { pending } = this.#options;
    const changes = pending.take(MOST_PER_WRITE);
    const written = await this.#write(lease, changes);
    const unwritten = changes.filter((_, index) => written[index] !== true);
    if (unwritten.length > 0 && round === this.#round) pending.putBack(unwritten);
    return unwritten.length === 0;
  }

  async #write(lease: Lease, changes: readonly Change[]): Promise<readonly boolean[]> {
    try {
      const written = await this.#options.write(lease, changes);
      this.#hasFailed = false;
      return written;
    } catch (error) {
      // That the store is away is told by the lease.
      if (!(error instanceof BackplaneUnavailable)) this.#tellOf(error);
      return [];
    }
  }

  #tellOf(error: unknown): void {
    if (!this.#hasFailed)
      this.#logger.error(
        'a write failed and is tried again',
        error instanceof Error ? error.stack : undefined,
      );
    this.#hasFailed = true;
  }

  #tryLater(): void {
    if (this.#closed) return;
    this.#retry = setTimeout(() => this.#work(), this.#retryMs * (0.5 + Math.random() / 2)).unref();
    this.#retryMs = Math.min(RETRY_MAX_MS, this.#retryMs * 2);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

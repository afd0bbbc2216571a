import { Logger } from '@nestjs/common';
import type { Connection, ConnectionEnd } from '../connections/connection.js';
import type { ConnectionRegistry } from '../connections/connection-registry.js';
import { within } from '../deadline.js';
import { graceOf } from './grace.js';
import type { Lease } from './node-directory.js';
import { PendingChanges } from './pending-changes.js';
import type { SessionEvent } from './session-event.js';
import type {
  ConnectionRecord,
  SessionChange,
  SessionRegistry,
  UserLimit,
  Written,
} from './session-registry.js';
import type { SessionTimes } from './session-times.js';

export interface SessionRecorderOptions {
  readonly node: string;
  readonly connections: ConnectionRegistry;
  readonly sessions: SessionRegistry;
  readonly times: SessionTimes;
  readonly limit: UserLimit | undefined;
  readonly lease: () => Lease | undefined;
  /** Whether events are wanted. */
  readonly listening: () => boolean;
  readonly onEvents: (events: readonly SessionEvent[]) => void;
  readonly onSurplus: (user: string, connections: readonly string[]) => void;
}

const CONNECTIONS_PER_WRITE = 500;
/** So long the first of several waits for the others: many writes of one connection each would cost more than the connects. */
const GATHER_MS = 20;
/** While the store is away those who come and go pile up. */
const MOST_PENDING = 100_000;
/** So many are written anew at once, and after so long the next: 1,000 a second. */
const ANEW_CHUNK = 100;
const ANEW_PAUSE_MS = 100;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2_000;

/**
 * Brings what the store knows of this node's connections to what is true, by its own pace: nobody who connects waits for it.
 * What was written without an answer is written again.
 */
export class SessionRecorder {
  readonly #options: SessionRecorderOptions;
  readonly #logger = new Logger('AerieSessions');
  readonly #stops: readonly (() => void)[];
  readonly #pending = new PendingChanges();
  #working: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = RETRY_MIN_MS;
  #hasForgotten = false;
  /** Counts the times at which all was to be written anew, or dropped: an older round ends. */
  #round = 0;
  #closed = false;

  constructor(options: SessionRecorderOptions) {
    this.#options = options;
    this.#stops = [
      options.connections.onAdded((connection) => this.#entered(connection, false)),
      options.connections.onRemoved((connection, end) => this.#left(connection, end)),
    ];
  }

  /** Connections that the store does not know the latest of. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Its session was renewed. */
  update(connection: Connection): void {
    if (this.#options.connections.has(connection)) this.#entered(connection, true);
  }

  /** There is a lease again, or a new one. */
  wake(): void {
    this.#retryMs = RETRY_MIN_MS;
    this.#work();
  }

  /** Writes every connection anew, by and by. False where it was not brought to its end. */
  async writeAnew(): Promise<boolean> {
    const round = (this.#round += 1);
    const all = [...this.#options.connections.all()];
    for (let from = 0; from < all.length; from += ANEW_CHUNK) {
      for (const connection of all.slice(from, from + ANEW_CHUNK)) this.update(connection);
      await pause(ANEW_PAUSE_MS);
      if (round !== this.#round || this.#closed) return false;
    }
    while (this.#pending.size > 0 && round === this.#round && !this.#closed) await pause(ANEW_PAUSE_MS);
    return round === this.#round && !this.#closed;
  }

  /** What the store had of this node was cleared by others, who told of it. */
  drop(): void {
    this.#round += 1;
    this.#pending.forgetKnown();
  }

  /** Writes what it can within `deadlineMs` and stops. True where the store knows everything. */
  async close(deadlineMs: number): Promise<boolean> {
    this.wake();
    await within(deadlineMs, this.#working ?? Promise.resolve(), () => undefined);
    this.#closed = true;
    clearTimeout(this.#retry);
    for (const stop of this.#stops) stop();
    return this.#pending.size === 0 && this.#working === undefined;
  }

  #entered(connection: Connection, again: boolean): void {
    const { listening, limit } = this.#options;
    const { user } = connection.session;
    const record = this.recordOf(connection);
    this.#pending.enter({ type: 'enter', user, record, told: listening(), again, limit });
    this.#work();
  }

  #left({ id, session, closedWith }: Connection, end: ConnectionEnd): void {
    const graceMs = graceOf(end, closedWith !== undefined, this.#options.times);
    const { code, reason } = end;
    const graceEndsAt = performance.now() + graceMs;
    this.#pending.leave({ type: 'leave', user: session.user, connection: id, code, reason, graceEndsAt });
    if (this.#pending.size > MOST_PENDING) this.#forgetOldest();
    this.#work();
  }

  recordOf({ id, transport, address, openedAt, session }: Connection): ConnectionRecord {
    const { node } = this.#options;
    const { tenant, expiresAt = null } = session;
    const record = { id, node, transport, address, openedAt, expiresAt };
    return tenant === undefined ? record : { ...record, tenant };
  }

  #work(): void {
    if (this.#closed || this.#working !== undefined) return;
    clearTimeout(this.#retry);
    this.#working = this.#writeAll();
  }

  // What comes within a moment travels together; one write is answered before the next, so that order is kept.
  async #writeAll(): Promise<void> {
    await pause(GATHER_MS);
    let isWritten = true;
    while (this.#pending.size > 0 && isWritten) {
      const lease = this.#options.lease();
      isWritten = lease !== undefined && (await this.#writeSome(lease));
      if (isWritten) this.#retryMs = RETRY_MIN_MS;
      if (isWritten && this.#pending.size < CONNECTIONS_PER_WRITE) await pause(GATHER_MS);
    }
    this.#working = undefined;
    if (!isWritten) this.#tryLater();
  }

  async #writeSome(lease: Lease): Promise<boolean> {
    const round = this.#round;
    const changes = this.#pending.take(CONNECTIONS_PER_WRITE);
    const written = await this.#options.sessions.write(lease, changes).catch(() => undefined);
    const unwritten = changes.filter((_, index) => written?.[index]?.ok !== true);
    if (unwritten.length > 0 && round === this.#round) this.#pending.putBack(unwritten);
    if (written !== undefined) this.#tell(changes, written);
    return unwritten.length === 0;
  }

  #tell(changes: readonly SessionChange[], written: readonly Written[]): void {
    const { onEvents, onSurplus } = this.#options;
    for (const [index, answer] of written.entries()) {
      const { user } = changes[index] ?? {};
      if (!answer.ok || user === undefined) continue;
      if (answer.events.length > 0) onEvents(answer.events);
      if (answer.surplus.length > 0) onSurplus(user, answer.surplus);
    }
  }

  #tryLater(): void {
    if (this.#closed) return;
    this.#retry = setTimeout(() => this.#work(), this.#retryMs * (0.5 + Math.random() / 2)).unref();
    this.#retryMs = Math.min(RETRY_MAX_MS, this.#retryMs * 2);
  }

  #forgetOldest(): void {
    this.#pending.forgetOldest();
    if (this.#hasForgotten) return;
    this.#hasForgotten = true;
    this.#logger.warn('too many connections came and went while Redis is away: the oldest are not told of');
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

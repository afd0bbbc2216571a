import type { Connection, ConnectionEnd } from '../connections/connection.js';
import type { ConnectionRegistry } from '../connections/connection-registry.js';
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
import { WriteBehind } from './write-behind.js';

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
  /** How long other nodes may still take to write their connections anew. Milliseconds. */
  readonly rewriteLeftMs: () => number;
  /** Ends were forgotten: everything is to be written anew. */
  readonly onForgotten: () => void;
}

/** Tells the store of this node's connections, behind those who connect, and the application of what comes of that. */
export class SessionRecorder {
  readonly writer: WriteBehind<SessionChange>;
  readonly #options: SessionRecorderOptions;
  readonly #stops: readonly (() => void)[];
  readonly #pending = new PendingChanges();

  constructor(options: SessionRecorderOptions) {
    const { connections, lease, onForgotten } = options;
    this.#options = options;
    this.writer = new WriteBehind({
      pending: this.#pending,
      connections,
      lease,
      onForgotten,
      write: (current, changes) => this.#write(current, changes),
      enterAgain: (connection) => this.update(connection),
    });
    this.#stops = [
      connections.onAdded((connection) => this.#entered(connection, false)),
      connections.onRemoved((connection, end) => this.#left(connection, end)),
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

  /** Writes what it can within `deadlineMs` and stops. True where the store knows everything. */
  async close(deadlineMs: number): Promise<boolean> {
    const isWritten = await this.writer.close(deadlineMs);
    for (const stop of this.#stops) stop();
    return isWritten;
  }

  recordOf({ id, transport, address, openedAt, session }: Connection): ConnectionRecord {
    const { node } = this.#options;
    const { tenant, expiresAt = null } = session;
    const record = { id, node, transport, address, openedAt, expiresAt };
    return tenant === undefined ? record : { ...record, tenant };
  }

  #entered(connection: Connection, again: boolean): void {
    const { listening, limit } = this.#options;
    const { user } = connection.session;
    const record = this.recordOf(connection);
    this.#pending.enter({ type: 'enter', user, record, told: listening(), again, limit });
    this.writer.changed();
  }

  #left(connection: Connection, end: ConnectionEnd): void {
    const { times } = this.#options;
    const { id, session, closedWith } = connection;
    const rewriteLeftMs = this.#options.rewriteLeftMs();
    // It may not be written anew yet, and its end would be none; nor may the user be, who is connected elsewhere.
    if (rewriteLeftMs > 0) this.#entered(connection, true);
    const graceMs = Math.max(graceOf(end, closedWith !== undefined, times), rewriteLeftMs);
    const { code, reason } = end;
    const graceEndsAt = performance.now() + graceMs;
    this.#pending.leave({ type: 'leave', user: session.user, connection: id, code, reason, graceEndsAt });
    this.writer.changed();
  }

  async #write(lease: Lease, changes: readonly SessionChange[]): Promise<readonly boolean[]> {
    const written = await this.#options.sessions.write(lease, changes);
    this.#tell(changes, written);
    return written.map(({ ok }) => ok);
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
}

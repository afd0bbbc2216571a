import type { Connection, ConnectionEnd } from '../connections/connection.js';
import type { ConnectionRegistry } from '../connections/connection-registry.js';
import { graceOf } from '../sessions/grace.js';
import type { Lease } from '../sessions/node-directory.js';
import type { SessionTimes } from '../sessions/session-times.js';
import { WriteBehind } from '../sessions/write-behind.js';
import { PendingPresence } from './pending-presence.js';
import type { PresenceChange, PresenceStore } from './presence-store.js';

export interface PresenceRecorderOptions {
  readonly connections: ConnectionRegistry;
  readonly store: Pick<PresenceStore, 'write'>;
  readonly times: SessionTimes;
  /** Whether it is known who is in a channel. */
  readonly keeps: (channel: string) => boolean;
  readonly lease: () => Lease | undefined;
  /** How long other nodes may still take to write their connections anew. Milliseconds. */
  readonly rewriteLeftMs: () => number;
  /** Ends were forgotten: everything is to be written anew. */
  readonly onForgotten: () => void;
}

/** Tells the store of this node's subscriptions, behind those who subscribe. */
export class PresenceRecorder {
  readonly writer: WriteBehind<PresenceChange>;
  readonly #options: PresenceRecorderOptions;
  readonly #stops: readonly (() => void)[];
  readonly #pending = new PendingPresence();

  constructor(options: PresenceRecorderOptions) {
    const { connections, store, lease, onForgotten } = options;
    this.#options = options;
    this.writer = new WriteBehind({
      pending: this.#pending,
      connections,
      lease,
      onForgotten,
      write: (current, changes) => store.write(current, changes),
      enterAgain: (connection) => {
        for (const channel of connection.channels) this.#entered(connection, channel, true);
      },
    });
    this.#stops = [
      connections.onJoined((connection, channel) => this.#entered(connection, channel, false)),
      connections.onLeft((connection, channel, end) => this.#left(connection, channel, end)),
    ];
  }

  /** Subscriptions that the store does not know the latest of. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Writes what it can within `deadlineMs` and stops. True where the store knows everything. */
  async close(deadlineMs: number): Promise<boolean> {
    const isWritten = await this.writer.close(deadlineMs);
    for (const stop of this.#stops) stop();
    return isWritten;
  }

  #entered({ id, session }: Connection, channel: string, known: boolean): void {
    if (!this.#options.keeps(channel)) return;
    this.#pending.enter({ type: 'enter', channel, connection: id, user: session.user }, known);
    this.writer.changed();
  }

  #left({ id, closedWith }: Connection, channel: string, end: ConnectionEnd | undefined): void {
    const { keeps, times, rewriteLeftMs } = this.#options;
    if (!keeps(channel)) return;
    // Who unsubscribed is not coming back.
    const ownMs = end === undefined ? 0 : graceOf(end, closedWith !== undefined, times);
    const graceEndsAt = performance.now() + Math.max(ownMs, rewriteLeftMs());
    this.#pending.leave({ type: 'leave', channel, connection: id, graceEndsAt });
    this.writer.changed();
  }
}

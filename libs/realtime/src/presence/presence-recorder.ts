import type { Connection, ConnectionEnd } from '../connections/connection.js';
import type { ConnectionRegistry } from '../connections/connection-registry.js';
import { within } from '../deadline.js';
import { graceOf } from '../sessions/grace.js';
import type { Lease } from '../sessions/node-directory.js';
import type { SessionTimes } from '../sessions/session-times.js';
import { PendingPresence } from './pending-presence.js';
import type { PresenceStore } from './presence-store.js';

export interface PresenceRecorderOptions {
  readonly connections: ConnectionRegistry;
  readonly store: PresenceStore;
  readonly times: SessionTimes;
  /** Whether it is known who is in a channel. */
  readonly keeps: (channel: string) => boolean;
  readonly lease: () => Lease | undefined;
}

const CHANGES_PER_WRITE = 500;
/** So many connections are written anew at once, and after so long the next. */
const ANEW_CHUNK = 100;
const ANEW_PAUSE_MS = 100;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2_000;

/**
 * Brings what the store knows of this node's subscriptions to what is true, by its own pace: nobody who subscribes waits for
 * it. What was written without an answer is written again.
 */
export class PresenceRecorder {
  readonly #options: PresenceRecorderOptions;
  readonly #stops: readonly (() => void)[];
  readonly #pending = new PendingPresence();
  #working: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = RETRY_MIN_MS;
  /** Counts the times at which all was to be written anew, or dropped: an older round ends. */
  #round = 0;
  #closed = false;

  constructor(options: PresenceRecorderOptions) {
    this.#options = options;
    const { connections } = options;
    this.#stops = [
      connections.onJoined((connection, channel) => this.#entered(connection, channel, false)),
      connections.onLeft((connection, channel, end) => this.#left(connection, channel, end)),
    ];
  }

  /** Subscriptions that the store does not know the latest of. */
  get pending(): number {
    return this.#pending.size;
  }

  /** There is a lease again, or a new one. */
  wake(): void {
    this.#retryMs = RETRY_MIN_MS;
    this.#work();
  }

  /** Writes every subscription anew, by and by. False where it was not brought to its end. */
  async writeAnew(): Promise<boolean> {
    const round = (this.#round += 1);
    const goesOn = (): boolean => round === this.#round && !this.#closed;
    const all = [...this.#options.connections.all()];
    for (let from = 0; from < all.length && goesOn(); from += ANEW_CHUNK) {
      for (const connection of all.slice(from, from + ANEW_CHUNK)) this.#enteredAll(connection);
      await pause(ANEW_PAUSE_MS);
    }
    while (this.#pending.size > 0 && goesOn()) await pause(ANEW_PAUSE_MS);
    return goesOn();
  }

  /** What the store had of this node was cleared by others. */
  drop(): void {
    this.#round += 1;
    this.#pending.clear();
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

  #enteredAll(connection: Connection): void {
    for (const channel of connection.channels) this.#entered(connection, channel, true);
  }

  #entered({ id, session }: Connection, channel: string, known: boolean): void {
    if (!this.#options.keeps(channel)) return;
    this.#pending.enter({ type: 'enter', channel, connection: id, user: session.user }, known);
    this.#work();
  }

  #left({ id, closedWith }: Connection, channel: string, end: ConnectionEnd | undefined): void {
    if (!this.#options.keeps(channel)) return;
    // Who unsubscribed is not coming back.
    const graceMs = end === undefined ? 0 : graceOf(end, closedWith !== undefined, this.#options.times);
    this.#pending.leave({
      type: 'leave',
      channel,
      connection: id,
      graceEndsAt: performance.now() + graceMs,
    });
    this.#work();
  }

  #work(): void {
    if (this.#closed || this.#working !== undefined) return;
    clearTimeout(this.#retry);
    this.#working = this.#writeAll();
  }

  // Everything of one turn of the loop travels together; one write is answered before the next, so that order is kept.
  async #writeAll(): Promise<void> {
    await endOfTurn();
    let isWritten = true;
    while (this.#pending.size > 0 && isWritten) {
      const lease = this.#options.lease();
      isWritten = lease !== undefined && (await this.#writeSome(lease));
      if (isWritten) this.#retryMs = RETRY_MIN_MS;
    }
    this.#working = undefined;
    if (!isWritten) this.#tryLater();
  }

  async #writeSome(lease: Lease): Promise<boolean> {
    const round = this.#round;
    const changes = this.#pending.take(CHANGES_PER_WRITE);
    const written = await this.#options.store.write(lease, changes).catch((): readonly boolean[] => []);
    const unwritten = changes.filter((_, index) => written[index] !== true);
    if (round === this.#round) this.#pending.putBack(unwritten);
    return unwritten.length === 0;
  }

  #tryLater(): void {
    if (this.#closed) return;
    this.#retry = setTimeout(() => this.#work(), this.#retryMs * (0.5 + Math.random() / 2)).unref();
    this.#retryMs = Math.min(RETRY_MAX_MS, this.#retryMs * 2);
  }
}

function endOfTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

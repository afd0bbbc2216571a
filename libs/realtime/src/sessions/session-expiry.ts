import { CLOSE } from '@aerie/protocol';
import type { Connection } from '../connections/connection.js';
import type { ConnectionRegistry } from '../connections/connection-registry.js';

const TICK_MS = 1_000;

/** Closes connections with 4401 in the second in which their session ends. One timer for all of them. */
export class SessionExpiry {
  readonly #bySecond = new Map<number, Set<Connection>>();
  readonly #secondOf = new Map<Connection, number>();
  #timer: NodeJS.Timeout | undefined;
  #second = secondOf(Date.now());

  constructor(registry: ConnectionRegistry) {
    registry.onAdded((connection) => this.watch(connection));
    registry.onRemoved((connection) => this.#forget(connection));
  }

  /** Takes the end of the connection's present session; called again after a renewal. One that is closing ends anyway. */
  watch(connection: Connection): void {
    this.#forget(connection);
    const { expiresAt } = connection.session;
    if (expiresAt === undefined || !connection.isOpen) return;
    const second = Math.max(Math.ceil(expiresAt / 1_000), this.#second + 1);
    this.#secondOf.set(connection, second);
    const due = this.#bySecond.get(second);
    if (due === undefined) this.#bySecond.set(second, new Set([connection]));
    else due.add(connection);
    this.#timer ??= this.#start();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #start(): NodeJS.Timeout {
    this.#second = secondOf(Date.now()) - 1;
    return setInterval(() => this.#tick(), TICK_MS).unref();
  }

  #forget(connection: Connection): void {
    const second = this.#secondOf.get(connection);
    if (second === undefined) return;
    this.#secondOf.delete(connection);
    const due = this.#bySecond.get(second);
    due?.delete(connection);
    if (due?.size === 0) this.#bySecond.delete(second);
  }

  // The wall clock may jump; every second up to now is looked at, or all of them where the jump is larger than the list.
  #tick(): void {
    const now = secondOf(Date.now());
    const due = [...this.#bySecond.keys()].filter((second) => second <= now);
    this.#second = now;
    for (const second of due) this.#expire(second);
    if (this.#bySecond.size === 0) this.close();
  }

  #expire(second: number): void {
    const due = this.#bySecond.get(second) ?? [];
    this.#bySecond.delete(second);
    for (const connection of due) {
      this.#secondOf.delete(connection);
      connection.close(CLOSE.sessionEnded);
    }
  }
}

// The second that has fully come, while a session's end is rounded up: none is ended before its time.
function secondOf(epochMs: number): number {
  return Math.floor(epochMs / 1_000);
}

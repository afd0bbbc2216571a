import { CLOSE, SYSTEM, type ReconnectNotice } from '@aerie/protocol';
import type { Connection } from '../connections/connection.js';
import type { ConnectionRegistry } from '../connections/connection-registry.js';
import { drainSlots, lateSlot } from './slots.js';

export type DrainedRegistry = Pick<ConnectionRegistry, 'size' | 'all' | 'onAdded' | 'onRemoved'>;

export interface GiveAwayOptions {
  readonly registry: DrainedRegistry;
  /** Milliseconds over which the clients' return is spread. */
  readonly windowMs: number;
  /** `paced`: each is closed in its slot. `at-once`: everyone is closed now, only their return is spread. */
  readonly pace: 'paced' | 'at-once';
}

interface Slot {
  readonly connection: Connection;
  /** Milliseconds from the start. */
  readonly at: number;
}

const PACE_MS = 50;
const NOTICES_PER_TURN = 500;
/** How long goodbyes may take where everyone is closed at once, or in a window that is hardly one. */
const GOODBYE_MS = 2_000;
/** What was destroyed leaves the registry a moment later. */
const AFTERMATH_MS = 1_000;

/** Gives away the connections of a registry: tells all, closes each, destroys what is left at the end. Runs once. */
export class GiveAway {
  readonly #options: GiveAwayOptions;
  readonly #startedAt = performance.now();
  #queue: Slot[] = [];

  constructor(options: GiveAwayOptions) {
    this.#options = options;
  }

  /** Resolves when the registry is empty, or when the time is over and the rest was destroyed. */
  async run(): Promise<void> {
    const { registry, windowMs, pace } = this.#options;
    const release = registry.onAdded((connection) => this.#welcomeLate(connection));
    const timer = setInterval(() => this.#closeDue(), PACE_MS);
    try {
      this.#plan();
      void this.#tellAll([...this.#queue]);
      await whenEmpty(registry, pace === 'paced' ? Math.max(windowMs, GOODBYE_MS) : GOODBYE_MS);
      for (const connection of registry.all()) connection.destroy();
      await whenEmpty(registry, AFTERMATH_MS);
    } finally {
      clearInterval(timer);
      release();
    }
  }

  #plan(): void {
    const connections = [...this.#options.registry.all()];
    const slots = drainSlots({ count: connections.length, windowMs: this.#options.windowMs });
    this.#queue = connections.map((connection, index) => ({ connection, at: slots[index] ?? 0 }));
  }

  /** A handshake that was under way when the door closed. */
  #welcomeLate(connection: Connection): void {
    const slot = { connection, at: lateSlot(this.#options.windowMs, this.#elapsedMs()) };
    this.#queue.push(slot);
    this.#queue.sort((a, b) => a.at - b.at);
    // Added listeners run before `$welcome` is queued; the notice comes after it.
    setImmediate(() => this.#tell(slot));
  }

  async #tellAll(slots: readonly Slot[]): Promise<void> {
    for (let from = 0; from < slots.length; from += NOTICES_PER_TURN) {
      for (const slot of slots.slice(from, from + NOTICES_PER_TURN)) this.#tell(slot);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #tell({ connection, at }: Slot): void {
    const afterMs = Math.max(0, Math.round(at - this.#elapsedMs()));
    connection.emit(SYSTEM.reconnect, { afterMs, reason: 'draining' } satisfies ReconnectNotice);
    if (this.#options.pace === 'at-once') connection.close(CLOSE.goingAway);
  }

  #closeDue(): void {
    const now = this.#elapsedMs();
    const due = this.#queue.findIndex(({ at }) => at > now);
    for (const { connection } of this.#queue.splice(0, due === -1 ? this.#queue.length : due)) {
      connection.close(CLOSE.goingAway);
    }
  }

  #elapsedMs(): number {
    return performance.now() - this.#startedAt;
  }
}

function whenEmpty(registry: DrainedRegistry, withinMs: number): Promise<void> {
  if (registry.size === 0) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      release();
      resolve();
    };
    const release = registry.onRemoved(() => {
      if (registry.size === 0) end();
    });
    const timer = setTimeout(end, withinMs);
  });
}

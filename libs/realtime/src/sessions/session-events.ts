import { Logger } from '@nestjs/common';
import { within } from '../deadline.js';
import type { SessionEvent } from './session-event.js';
import type { SessionRegistry } from './session-registry.js';

/** Told of what becomes of users and connections. One that throws or rejects is told again, here or on another node. */
export type SessionListener = (event: SessionEvent) => void | Promise<void>;

const USERS_AT_A_TIME = 64;
/** What this node can't take now stays with the store and is claimed later. */
const MOST_WAITING = 10_000;
const QUIET_MS = 5_000;

/** Tells the application: each event at least once, those of one user that arise on this node in order. */
export class SessionEvents {
  readonly #sessions: Pick<SessionRegistry, 'acknowledge'>;
  readonly #logger = new Logger('AerieSessions');
  readonly #listeners = new Set<SessionListener>();
  readonly #queues = new Map<string, SessionEvent[]>();
  /** Users with a queue that nobody works at. */
  readonly #ready = new Set<string>();
  readonly #told: SessionEvent[] = [];
  readonly #workers = new Set<Promise<void>>();
  #count = 0;
  #quietUntil = 0;
  #acknowledging: Promise<void> | undefined;

  constructor(sessions: Pick<SessionRegistry, 'acknowledge'>) {
    this.#sessions = sessions;
  }

  get listening(): boolean {
    return this.#listeners.size > 0;
  }

  /** The returned function stops it. */
  on(listener: SessionListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Returns at once. */
  tell(events: readonly SessionEvent[]): void {
    if (!this.listening) return;
    for (const event of events) this.#put(event);
    while (this.#workers.size < USERS_AT_A_TIME && this.#ready.size > 0) this.#hire();
  }

  /** Resolves when everything was told, or after `deadlineMs`: the rest is left to other nodes. */
  async close(deadlineMs: number): Promise<void> {
    await within(deadlineMs, this.#idle(), () => undefined);
    this.#listeners.clear();
  }

  async #idle(): Promise<void> {
    while (this.#workers.size > 0) await Promise.all(this.#workers);
    await this.#acknowledging;
  }

  #hire(): void {
    const worker = this.#work().finally(() => this.#workers.delete(worker));
    this.#workers.add(worker);
  }

  #put(event: SessionEvent): void {
    if (this.#count >= MOST_WAITING) return;
    this.#count += 1;
    const queue = this.#queues.get(event.user);
    if (queue !== undefined) return void queue.push(event);
    this.#queues.set(event.user, [event]);
    this.#ready.add(event.user);
  }

  async #work(): Promise<void> {
    for (const user of this.#ready) {
      this.#ready.delete(user);
      const queue = this.#queues.get(user) ?? [];
      for (let event = queue.shift(); event !== undefined; event = queue.shift()) {
        if (await this.#tellOne(event)) this.#acknowledge(event);
        this.#count -= 1;
      }
      this.#queues.delete(user);
    }
  }

  async #tellOne(event: SessionEvent): Promise<boolean> {
    if (!this.listening) return false;
    try {
      await Promise.all([...this.#listeners].map(async (listener) => listener(event)));
      return true;
    } catch (error) {
      this.#failed(event, error);
      return false;
    }
  }

  // An application that can't take events must not flood the log, too.
  #failed({ type }: SessionEvent, error: unknown): void {
    const now = performance.now();
    if (now < this.#quietUntil) return;
    this.#quietUntil = now + QUIET_MS;
    const stack = error instanceof Error ? error.stack : undefined;
    this.#logger.error(`"${type}" could not be told; what is not taken is told again`, stack);
  }

  // Many at a time; an acknowledgement that is lost lets the event be told once more.
  #acknowledge(event: SessionEvent): void {
    this.#told.push(event);
    this.#acknowledging ??= this.#acknowledgeAll();
  }

  async #acknowledgeAll(): Promise<void> {
    while (this.#told.length > 0) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      await this.#sessions.acknowledge(this.#told.splice(0)).catch(() => undefined);
    }
    this.#acknowledging = undefined;
  }
}

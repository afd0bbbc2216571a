import { Logger } from '@nestjs/common';
import { BackplaneUnavailable } from './publishing/backplane.js';

/** What a node knows of a channel, which is compared with its store from time to time. */
export interface Checked {
  /** Whether something came that showed by itself that nothing is missing. The rounds set it to false. */
  active: boolean;
  /** Whether there is something to check yet. What is due before waits for that. */
  readonly isReady: boolean;
  /** Whether it is known to lack something: it is checked soon. */
  readonly isStuck: boolean;
  /** Compares it with the store, and brings what is missing. Rejects where the store does not answer: it is tried again. */
  check(): Promise<void>;
}

const TICK_MS = 500;
/** What heard nothing for so long is checked. */
const IDLE_MS = 40_000;
/** After a gap of the backplane everything is checked, within so long. */
const GAP_SPREAD_MS = 1_000;
const RETRY_MS = 2_000;
/** Checks at a time. */
const BATCH = 500;

/**
 * Finds what the backplane failed to bring and nothing that came has shown: checks what was silent for 40 s, everything after a
 * gap, and again what could not be checked. Runs while there is something to check.
 */
export class CheckRounds {
  readonly #logger: Logger;
  /** When each is due. Monotonic milliseconds. */
  readonly #due = new Map<Checked, number>();
  #timer: NodeJS.Timeout | undefined;
  #checking = false;
  #away = false;

  /** @param context In its logs. */
  constructor(context: string) {
    this.#logger = new Logger(context);
  }

  add(checked: Checked): void {
    this.#due.set(checked, idleUntil(performance.now()));
    this.#timer ??= setInterval(() => void this.#round(), TICK_MS).unref();
  }

  remove(checked: Checked): void {
    this.#due.delete(checked);
    if (this.#due.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** The backplane may have missed something. */
  gap(): void {
    const now = performance.now();
    for (const checked of this.#due.keys()) {
      checked.active = false;
      this.#due.set(checked, now + Math.random() * GAP_SPREAD_MS);
    }
  }

  async #round(): Promise<void> {
    if (this.#checking) return;
    this.#checking = true;
    for (let due = this.#takeDue(); due.length > 0; due = this.#takeDue())
      await Promise.all(due.map((checked) => this.#check(checked)));
    this.#checking = false;
  }

  #takeDue(): readonly Checked[] {
    const now = performance.now();
    const due: Checked[] = [];
    for (const [checked, dueAt] of this.#due) {
      const at = dueOf(checked, dueAt, now);
      checked.active = false;
      this.#due.set(checked, at);
      if (at <= now && checked.isReady && due.length < BATCH) due.push(checked);
    }
    return due;
  }

  async #check(checked: Checked): Promise<void> {
    const dueAt = this.#due.get(checked);
    const at = await this.#checkedAgainAt(checked);
    // Of a gap that came meanwhile this check knew nothing, and it may be removed by now.
    if (dueAt !== undefined && this.#due.get(checked) === dueAt) this.#due.set(checked, at);
  }

  async #checkedAgainAt(checked: Checked): Promise<number> {
    try {
      await checked.check();
      this.#away = false;
      return idleUntil(performance.now());
    } catch (error) {
      this.#tellOf(error);
      return retryAt(performance.now());
    }
  }

  #tellOf(error: unknown): void {
    if (!(error instanceof BackplaneUnavailable))
      this.#logger.error('a channel could not be checked', error instanceof Error ? error.stack : undefined);
    else if (!this.#away)
      this.#logger.warn('channels can’t be checked now, trying again: the store does not answer');
    this.#away = true;
  }
}

function dueOf({ isStuck, active }: Checked, dueAt: number, now: number): number {
  if (isStuck) return Math.min(dueAt, retryAt(now));
  return active ? idleUntil(now) : dueAt;
}

function idleUntil(now: number): number {
  return now + IDLE_MS * (0.75 + Math.random() / 4);
}

function retryAt(now: number): number {
  return now + RETRY_MS * (0.5 + Math.random() / 2);
}

import { setTimeout as sleep } from 'node:timers/promises';
import { HookFailure } from './hook-answer.js';
import type { HookEvent } from './hook-event.js';
import type { HookLog } from './hook-log.js';
import type { HookSender } from './hook-sender.js';

const MOST_WAITING = 10_000;
const MOST_IN_FLIGHT = 16;
const RETRIES = 3;
const FIRST_BACK_OFF_MS = 500;

/** Tells the receiver of disconnects: best effort, at most 16 at a time, each tried four times, the newest dropped when full. */
export class DisconnectQueue {
  readonly #sender: HookSender;
  readonly #log: HookLog;
  readonly #waiting: HookEvent[] = [];
  readonly #workers = new Set<Promise<void>>();
  readonly #stop = new AbortController();

  constructor(sender: HookSender, log: HookLog) {
    this.#sender = sender;
    this.#log = log;
  }

  push(event: HookEvent): void {
    if (this.#stop.signal.aborted || this.#waiting.length >= MOST_WAITING) {
      this.#log.failed('disconnect', 'queue full, dropped');
      return;
    }
    this.#waiting.push(event);
    if (this.#workers.size >= MOST_IN_FLIGHT) return;
    const worker = this.#work().finally(() => this.#workers.delete(worker));
    this.#workers.add(worker);
  }

  /** Resolves once everything is told, or after `deadlineMs`, when the rest is given up. */
  async close(deadlineMs: number): Promise<void> {
    const deadline = new AbortController();
    await Promise.race([
      this.#idle(),
      sleep(deadlineMs, undefined, { signal: deadline.signal }).catch(() => undefined),
    ]);
    deadline.abort();
    this.#stop.abort();
    if (this.#waiting.length > 0)
      this.#log.failed('disconnect', `${this.#waiting.length} given up at shutdown`);
    this.#waiting.length = 0;
  }

  async #idle(): Promise<void> {
    while (this.#workers.size > 0) await Promise.all(this.#workers);
  }

  async #work(): Promise<void> {
    for (let event = this.#waiting.shift(); event; event = this.#waiting.shift()) await this.#deliver(event);
  }

  async #deliver(event: HookEvent): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      const answer = await this.#sender.post(event);
      if (!(answer instanceof HookFailure)) return;
      if (attempt === RETRIES || this.#stop.signal.aborted)
        return this.#log.failed('disconnect', answer.reason);
      await this.#backOff(attempt);
    }
  }

  async #backOff(attempt: number): Promise<void> {
    const delayMs = FIRST_BACK_OFF_MS * 2 ** attempt * (0.5 + Math.random());
    await sleep(delayMs, undefined, { signal: this.#stop.signal, ref: false }).catch(() => undefined);
  }
}

import { isFields } from './server-frame.js';

/** Keeps the server's latest `$reconnect {afterMs}` and what is left of that wait: it counts from receipt. */
export class ReconnectNotices {
  #dueAt: number | undefined;

  take(data: unknown): void {
    const afterMs = isFields(data) ? data['afterMs'] : undefined;
    if (typeof afterMs === 'number' && afterMs >= 0) this.#dueAt = performance.now() + afterMs;
  }

  remainder(): { readonly remainderMs?: number } {
    return this.#dueAt === undefined ? {} : { remainderMs: Math.max(0, this.#dueAt - performance.now()) };
  }
}

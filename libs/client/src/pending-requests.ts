import { failure } from './errors.js';
import { onAbort } from './on-abort.js';

const MAX_PENDING = 1_000;

/** Who waits for replies. Called in the order of the wire, synchronously, so that no later frame overtakes a reply. */
export interface ReplySink {
  /** `last`: no further reply comes. Returns false once it wants no more. */
  reply(data: unknown, last: boolean): boolean;
  fail(error: unknown): void;
}

interface Pending {
  readonly sink: ReplySink;
  readonly release: () => void;
  timer?: ReturnType<typeof setTimeout>;
}

/** Requests that wait for their replies, by id. Each ends exactly once: reply, error, timeout, abort or cut. */
export class PendingRequests {
  readonly #pending = new Map<number, Pending>();
  readonly #onEnd: (id: number) => void;

  /** `onEnd` hears of every request that ended, for whatever reason. */
  constructor(onEnd: (id: number) => void) {
    this.#onEnd = onEnd;
  }

  /** @throws RealtimeError `overloaded` when 1,000 wait already; the signal's reason if it is aborted. */
  add(id: number, sink: ReplySink, signal?: AbortSignal): void {
    if (this.#pending.size >= MAX_PENDING) throw failure('overloaded', 'Too many requests are waiting');
    const release = onAbort(signal, (reason) => this.fail(id, reason));
    this.#pending.set(id, { sink, release });
  }

  /** From now on the first reply may take this long. */
  expire(id: number, timeoutMs: number): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    const error = failure('timeout', `No reply within ${timeoutMs} ms`);
    pending.timer = setTimeout(() => this.fail(id, error), timeoutMs);
  }

  reply(id: unknown, data: unknown, last: boolean): void {
    const pending = this.#pending.get(id as number);
    if (!pending) return;
    clearTimeout(pending.timer);
    // Out of the map first: the sink may send again.
    if (last) this.#end(id as number);
    const wantsMore = pending.sink.reply(data, last);
    if (!wantsMore) this.#end(id as number);
  }

  fail(id: unknown, error: unknown): void {
    this.#end(id as number)?.sink.fail(error);
  }

  /** Fails all, or those that `concerns` names. */
  failAll(error: unknown, concerns: (id: number) => boolean = () => true): void {
    for (const id of Array.from(this.#pending.keys()).filter(concerns)) this.fail(id, error);
  }

  /** Forgets a request whose sink wants nothing more. */
  cancel(id: number): void {
    this.#end(id);
  }

  #end(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    if (!pending) return undefined;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    pending.release();
    this.#onEnd(id);
    return pending;
  }
}

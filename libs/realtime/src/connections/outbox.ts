import type { Debtor, OutboxBudget } from './outbox-budget.js';
import type { Wire } from './wire.js';

/** At most this much is handed to a wire at a time. */
const HANDED_BYTES = 64 * 1024;
const NOTHING = new Uint8Array(0);

interface Queued {
  readonly bytes: Uint8Array;
  /** How much of it the wire already has. */
  handed: number;
  readonly key: string | undefined;
}

export interface OutboxOptions {
  readonly wire: Wire;
  /** Bytes that one connection may owe before it counts as slow. */
  readonly limitBytes: number;
  readonly budget: OutboxBudget;
  readonly onOverflow: () => void;
}

/**
 * What a connection still owes its peer, in order. Empty, it accepts one frame of any size; else a push past the limit ends
 * the connection (`onOverflow`) instead of growing.
 */
export class Outbox implements Debtor {
  readonly #wire: Wire;
  readonly #options: OutboxOptions;
  #queue: Queued[] = [];
  #head = 0;
  #queuedBytes = 0;
  #closed = false;
  #awaited = 0;
  #whenEmpty: (() => void) | undefined;
  readonly #onTaken = (): void => {
    this.#awaited -= 1;
    if (this.#queuedBytes > 0) this.#hand();
  };

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#wire = options.wire;
  }

  get bytesOwed(): number {
    return this.#queuedBytes + this.#wire.bufferedBytes;
  }

  /** True while something waits that the wire has not been given yet: the peer reads slower than we write. */
  get backedUp(): boolean {
    return this.#queuedBytes > 0;
  }

  push(bytes: Uint8Array, conflateKey?: string): void {
    if (this.#closed) return;
    if (this.#queuedBytes === 0 && this.#fits(bytes)) {
      this.#wire.write(bytes);
      return;
    }
    if (conflateKey !== undefined && this.#replace(conflateKey, bytes)) return;
    if (this.bytesOwed > 0 && this.bytesOwed + bytes.byteLength > this.#options.limitBytes) {
      this.#options.onOverflow();
      return;
    }
    this.#append({ bytes, handed: 0, key: conflateKey });
    this.#hand();
  }

  shed(): void {
    if (!this.#closed) this.#options.onOverflow();
  }

  /** Accepts nothing more; calls back once what it owes is with the wire. */
  finish(whenEmpty: () => void): void {
    this.#closed = true;
    if (this.#queuedBytes === 0) whenEmpty();
    else this.#whenEmpty = whenEmpty;
  }

  /** Forgets what it owes, except for the rest of a frame that the wire has begun: cut there, the stream would be garbage. */
  discard(): void {
    const started = this.#queue[this.#head];
    const keep = started !== undefined && started.handed > 0 ? 1 : 0;
    for (const queued of this.#queue.slice(this.#head + keep)) this.#forget(queued);
    this.#queue = keep === 1 && started !== undefined ? [started] : [];
    this.#head = 0;
    if (keep === 0) this.#options.budget.settled(this);
  }

  /** Forgets everything: the wire is gone. */
  release(): void {
    this.#closed = true;
    this.#whenEmpty = undefined;
    for (const queued of this.#queue.slice(this.#head)) this.#forget(queued);
    this.#queue = [];
    this.#head = 0;
    this.#options.budget.settled(this);
  }

  #fits(bytes: Uint8Array): boolean {
    const buffered = this.#wire.bufferedBytes;
    return buffered + bytes.byteLength <= HANDED_BYTES;
  }

  #append(queued: Queued): void {
    this.#queue.push(queued);
    this.#queuedBytes += queued.bytes.byteLength;
    this.#options.budget.retain(queued.bytes, this);
  }

  #replace(key: string, bytes: Uint8Array): boolean {
    const index = this.#queue.findIndex(
      (queued, at) => at >= this.#head && queued.key === key && queued.handed === 0,
    );
    const old = this.#queue[index];
    if (old === undefined) return false;
    this.#forget(old);
    this.#queue[index] = { bytes, handed: 0, key };
    this.#queuedBytes += bytes.byteLength;
    this.#options.budget.retain(bytes, this);
    return true;
  }

  #forget(queued: Queued): void {
    this.#queuedBytes -= queued.bytes.byteLength - queued.handed;
    this.#options.budget.release(queued.bytes);
  }

  #hand(): void {
    for (
      let room = HANDED_BYTES - this.#wire.bufferedBytes;
      room > 0;
      room = HANDED_BYTES - this.#wire.bufferedBytes
    ) {
      const first = this.#queue[this.#head];
      if (first === undefined) break;
      const slice = first.bytes.subarray(first.handed, first.handed + room);
      first.handed += slice.byteLength;
      this.#queuedBytes -= slice.byteLength;
      this.#awaited += 1;
      this.#wire.write(slice, this.#onTaken);
      if (first.handed === first.bytes.byteLength) this.#dropHead();
    }
    if (this.#queuedBytes === 0) this.#emptied();
    else if (this.#awaited === 0) this.#awaitRoom();
  }

  // The wire is full with what went past the queue: an empty write comes back when that has been taken.
  #awaitRoom(): void {
    this.#awaited += 1;
    this.#wire.write(NOTHING, this.#onTaken);
  }

  #dropHead(): void {
    const done = this.#queue[this.#head];
    if (done !== undefined) this.#options.budget.release(done.bytes);
    this.#head += 1;
    if (this.#head > 32 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }

  #emptied(): void {
    this.#queue = [];
    this.#head = 0;
    this.#options.budget.settled(this);
    const whenEmpty = this.#whenEmpty;
    this.#whenEmpty = undefined;
    whenEmpty?.();
  }
}

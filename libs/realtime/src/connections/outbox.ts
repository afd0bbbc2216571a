import type { Debtor, OutboxBudget } from './outbox-budget.js';
import type { Wire } from './wire.js';

/** At most this much is handed to a wire at a time. */
const HANDED_BYTES = 64 * 1024;
/** An idle wire gets a frame up to this size with no bookkeeping: what the kernel leaves of it is not worth metering. */
const UNMETERED_BYTES = 4 * 1024;
const COMPACT_AT = 32;

interface Owed {
  bytes: Uint8Array;
  /** How much of it the wire already has. */
  handed: number;
  readonly key: string | undefined;
}

/** The same for all connections of a node. */
export interface OutboxRules {
  /** Bytes that one connection may owe before it counts as slow. */
  readonly limitBytes: number;
  readonly budget: OutboxBudget;
}

export interface OutboxOwner {
  /** The peer reads too slowly. */
  overflowed(): void;
}

/**
 * What a connection still owes its peer, in order. Empty, it accepts one frame of any size; else a push past the limit ends
 * the connection (`overflowed`) instead of growing.
 */
export class Outbox implements Debtor {
  readonly #wire: Wire;
  readonly #rules: OutboxRules;
  readonly #owner: OutboxOwner;
  /** Taken by the kernel up to `#oldest`, with the wire up to `#next`, waiting from there on. */
  #frames: Owed[] = [];
  #oldest = 0;
  #next = 0;
  #waitingBytes = 0;
  /** Frames with a key that the wire has not begun; few connections ever have one. */
  #replaceable: Map<string, Owed> | undefined;
  /** What is pushed until `uncork`, to go out in one write. Undefined: not corked. */
  #corked: Uint8Array[] | undefined;
  #corkedBytes = 0;
  #closed = false;
  #released = false;
  #whenEmpty: (() => void) | undefined;
  #drained: PromiseWithResolvers<void> | undefined;

  constructor(wire: Wire, rules: OutboxRules, owner: OutboxOwner) {
    this.#wire = wire;
    this.#rules = rules;
    this.#owner = owner;
  }

  get bytesOwed(): number {
    return this.#waitingBytes + this.#wire.bufferedBytes;
  }

  /** How much more it may owe. Bytes. */
  get room(): number {
    return Math.max(0, this.#rules.limitBytes - this.bytesOwed);
  }

  /** True while something waits that the wire has not been given yet: the peer reads slower than we write. */
  get backedUp(): boolean {
    return this.#next < this.#frames.length;
  }

  /** Joins what is pushed until `uncork`. False if it does so already. */
  cork(): boolean {
    if (this.#closed || this.#corked !== undefined) return false;
    this.#corked = [];
    return true;
  }

  uncork(): void {
    const corked = this.#corked;
    this.#corked = undefined;
    this.#corkedBytes = 0;
    const [first] = corked ?? [];
    if (corked === undefined || first === undefined) return;
    this.push(corked.length === 1 ? first : Buffer.concat(corked));
  }

  /** Resolves once the wire has been given everything, or it is gone. */
  drained(): Promise<void> {
    if (!this.backedUp) return Promise.resolve();
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  push(bytes: Uint8Array, conflateKey?: string): void {
    if (this.#closed) return;
    if (this.#corked !== undefined) {
      if (conflateKey === undefined) return this.#keep(this.#corked, bytes);
      this.uncork();
    }
    if (this.bytesOwed === 0 && bytes.byteLength <= UNMETERED_BYTES) return this.#wire.write(bytes);
    const replaced = conflateKey === undefined ? undefined : this.#replaceable?.get(conflateKey);
    if (this.#overflows(bytes.byteLength, replaced?.bytes.byteLength ?? 0)) return this.#owner.overflowed();
    if (replaced !== undefined) return this.#replace(replaced, bytes);
    this.#append({ bytes, handed: 0, key: conflateKey });
    this.#hand();
  }

  #keep(corked: Uint8Array[], bytes: Uint8Array): void {
    corked.push(bytes);
    this.#corkedBytes += bytes.byteLength;
    if (this.#corkedBytes >= HANDED_BYTES) this.uncork();
  }

  shed(): void {
    if (!this.#closed) this.#owner.overflowed();
  }

  /** Accepts nothing more; calls back once what it owes is with the wire. */
  finish(whenEmpty: () => void): void {
    this.uncork();
    this.#closed = true;
    // It ends anyway: nothing is won by shedding it.
    this.#rules.budget.settled(this);
    if (!this.backedUp) whenEmpty();
    else this.#whenEmpty = whenEmpty;
  }

  /** Forgets what it owes, except for the rest of a frame that the wire has begun: cut there, the stream would be garbage. */
  discard(): void {
    this.#corked = undefined;
    const begun = (this.#frames[this.#next]?.handed ?? 0) > 0 ? 1 : 0;
    for (const frame of this.#frames.splice(this.#next + begun)) this.#forget(frame);
    this.#replaceable = undefined;
    if (!this.backedUp) this.#settleDrained();
  }

  /** Forgets everything: the wire is gone. */
  release(): void {
    this.#corked = undefined;
    this.#closed = true;
    this.#released = true;
    this.#whenEmpty = undefined;
    for (const frame of this.#frames.slice(this.#oldest)) this.#forget(frame);
    this.#frames = [];
    this.#oldest = 0;
    this.#next = 0;
    this.#replaceable = undefined;
    this.#rules.budget.settled(this);
    this.#settleDrained();
  }

  #overflows(bytes: number, replaced: number): boolean {
    const owed = this.bytesOwed;
    return owed > 0 && bytes > replaced && owed - replaced + bytes > this.#rules.limitBytes;
  }

  #append(frame: Owed): void {
    this.#frames.push(frame);
    this.#waitingBytes += frame.bytes.byteLength;
    if (frame.key !== undefined) (this.#replaceable ??= new Map()).set(frame.key, frame);
    this.#rules.budget.retain(frame.bytes, this);
  }

  #replace(frame: Owed, bytes: Uint8Array): void {
    this.#rules.budget.release(frame.bytes);
    this.#waitingBytes += bytes.byteLength - frame.bytes.byteLength;
    frame.bytes = bytes;
    this.#rules.budget.retain(bytes, this);
  }

  #forget(frame: Owed): void {
    this.#waitingBytes -= frame.bytes.byteLength - frame.handed;
    this.#rules.budget.release(frame.bytes);
  }

  #hand(): void {
    for (let frame = this.#frames[this.#next]; frame !== undefined; frame = this.#frames[this.#next]) {
      const room = HANDED_BYTES - this.#wire.bufferedBytes;
      if (room <= 0) return;
      this.#handSlice(frame, room);
    }
    this.#emptied();
  }

  #handSlice(frame: Owed, room: number): void {
    if (frame.key !== undefined && frame.handed === 0) this.#replaceable?.delete(frame.key);
    const slice = frame.bytes.subarray(frame.handed, frame.handed + room);
    frame.handed += slice.byteLength;
    this.#waitingBytes -= slice.byteLength;
    const whole = frame.handed === frame.bytes.byteLength;
    if (whole) this.#next += 1;
    this.#wire.write(slice, () => (whole ? this.#frameTaken() : this.#sliceTaken()));
  }

  #sliceTaken(): void {
    if (!this.#released && this.backedUp) this.#hand();
  }

  #frameTaken(): void {
    if (this.#released) return;
    const taken = this.#frames[this.#oldest];
    if (taken !== undefined) this.#rules.budget.release(taken.bytes);
    this.#oldest += 1;
    if (this.#oldest === this.#frames.length) this.#rules.budget.settled(this);
    this.#compact();
    this.#sliceTaken();
  }

  #compact(): void {
    if (this.#oldest < COMPACT_AT && this.#oldest < this.#frames.length) return;
    if (this.#oldest * 2 < this.#frames.length) return;
    this.#frames = this.#frames.slice(this.#oldest);
    this.#next -= this.#oldest;
    this.#oldest = 0;
  }

  #emptied(): void {
    const whenEmpty = this.#whenEmpty;
    this.#whenEmpty = undefined;
    whenEmpty?.();
    this.#settleDrained();
  }

  #settleDrained(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }
}

/** What a queued write costs beyond its bytes: the queue entry and the socket's own bookkeeping. */
const QUEUED_WRITE_BYTES = 200;
const SHED_TICK_MS = 100;
const SHED_SHARE_PER_SECOND = 0.01;

/** An outbox as its budget sees it. */
export interface Debtor {
  readonly bytesOwed: number;
  /** Ends this connection as a slow consumer. */
  shed(): void;
}

/**
 * The node's meter: distinct buffers that any outbox retains (a broadcast counts once, however many owe it) plus 200 bytes
 * per queued write. Past the limit the largest outboxes go first, at most 1 % of the connections a second.
 */
export class OutboxBudget {
  readonly #holders = new Map<Uint8Array, number>();
  readonly #debtors = new Set<Debtor>();
  #retained = 0;
  #writes = 0;
  #timer: NodeJS.Timeout | undefined;
  #allowance = 0;
  #allowedAt = -Infinity;

  constructor(
    /** Bytes; default 256 MiB. */
    private readonly limitBytes: number,
    private readonly connections: () => number,
  ) {}

  get bytes(): number {
    return this.#retained + this.#writes * QUEUED_WRITE_BYTES;
  }

  retain(bytes: Uint8Array, debtor: Debtor): void {
    const held = this.#holders.get(bytes) ?? 0;
    if (held === 0) this.#retained += bytes.byteLength;
    this.#holders.set(bytes, held + 1);
    this.#writes += 1;
    this.#debtors.add(debtor);
    if (this.bytes > this.limitBytes) this.#timer ??= this.#startShedding();
  }

  release(bytes: Uint8Array): void {
    const held = this.#holders.get(bytes);
    if (held === undefined) return;
    this.#writes -= 1;
    if (held > 1) {
      this.#holders.set(bytes, held - 1);
      return;
    }
    this.#holders.delete(bytes);
    this.#retained -= bytes.byteLength;
  }

  settled(debtor: Debtor): void {
    this.#debtors.delete(debtor);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #startShedding(): NodeJS.Timeout {
    return setInterval(() => this.#shed(), SHED_TICK_MS).unref();
  }

  #shed(): void {
    if (this.bytes <= this.limitBytes) return this.close();
    this.#allow();
    if (this.#allowance < 1) return;
    for (const debtor of this.#largest(Math.floor(this.#allowance))) {
      if (this.bytes <= this.limitBytes) return;
      this.#allowance -= 1;
      debtor.shed();
    }
  }

  // What was not used does not pile up beyond one tick's share: the pace holds over any second, not only on average.
  #allow(): void {
    const now = performance.now();
    const perSecond = Math.max(1, this.connections() * SHED_SHARE_PER_SECOND);
    const atOnce = Math.max(1, (perSecond * SHED_TICK_MS) / 1_000);
    const earned = ((now - this.#allowedAt) * perSecond) / 1_000;
    this.#allowance = Math.min(atOnce, this.#allowance + earned);
    this.#allowedAt = now;
  }

  #largest(count: number): readonly Debtor[] {
    const owing = Array.from(this.#debtors, (debtor) => ({ debtor, bytes: debtor.bytesOwed }));
    const largestFirst = owing.toSorted((a, b) => b.bytes - a.bytes);
    return largestFirst.slice(0, count).map(({ debtor }) => debtor);
  }
}

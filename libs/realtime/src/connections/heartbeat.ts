const TICK_MS = 1_000;
/** Timers are this early at most; what is due within it is due. */
const EARLY_MS = 50;

/** A peer as the heartbeat sees it. Times are monotonic milliseconds (`performance.now()`). */
export interface Pulse {
  /** When the last byte came in, or a blocked socket made progress. */
  lastSignAt: number;
  /** When the unanswered ping went out; 0 if none did. */
  pingedAt: number;
  /** The wheel's slot it sits in; -1 outside. */
  slot: number;
  /** What the kernel had taken when the socket was first found blocked after the ping; -1 while it was not. */
  takenAtPing: number;
  /** Whether written bytes wait because the kernel's buffer is full. */
  readonly blocked: boolean;
  /** Bytes that the kernel has taken so far. */
  readonly taken: number;
  /** We stopped reading from it, so it cannot show life. */
  readonly paused: boolean;
  ping(): void;
  /** It did not answer. */
  dead(): void;
}

export interface HeartbeatOptions {
  /** Silence after which a ping goes out. Milliseconds. */
  readonly intervalMs: number;
  /** How long the answer may take. Milliseconds. */
  readonly timeoutMs: number;
}

/**
 * One timer wheel for all connections: a silent peer gets a ping in the last tick before `last sign + interval - tick`, has
 * the whole timeout to answer, and is declared dead within `interval + timeout` of its last sign. Any inbound byte is a sign.
 * Each tick judges after one pass of I/O, so that nobody dies of bytes that we have not read. One that comes late by more
 * than half the timeout means that we stalled, not they: every deadline starts anew.
 */
export class Heartbeat {
  readonly #slots: Set<Pulse>[];
  readonly #quietMs: number;
  readonly #timeoutMs: number;
  #timer: NodeJS.Timeout | undefined;
  #cursor = 0;
  #lastTickAt = 0;
  #rearmedAt = 0;
  #size = 0;

  constructor(options: HeartbeatOptions) {
    this.#quietMs = Math.max(TICK_MS, options.intervalMs - TICK_MS);
    this.#timeoutMs = options.timeoutMs;
    const ticks = Math.ceil(Math.max(this.#quietMs, this.#timeoutMs) / TICK_MS) + 2;
    this.#slots = Array.from({ length: ticks }, () => new Set<Pulse>());
  }

  get size(): number {
    return this.#size;
  }

  /** Watches a peer; its first ping falls anywhere in the interval, so that a wave of connects is no wave of pings. */
  add(pulse: Pulse): void {
    this.#start();
    this.#size += 1;
    pulse.lastSignAt = performance.now() - (this.#quietMs / 2) * Math.random();
    this.#place(pulse, pulse.lastSignAt + this.#quietMs - performance.now());
  }

  remove(pulse: Pulse): void {
    if (pulse.slot < 0) return;
    this.#slots[pulse.slot]?.delete(pulse);
    pulse.slot = -1;
    this.#size -= 1;
    if (this.#size === 0) this.close();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #start(): void {
    if (this.#timer !== undefined) return;
    this.#lastTickAt = performance.now();
    this.#timer = setInterval(() => setImmediate(() => this.#tick()), TICK_MS).unref();
  }

  #tick(): void {
    if (this.#timer === undefined) return;
    const now = performance.now();
    if (now - this.#lastTickAt - TICK_MS > this.#timeoutMs / 2) {
      this.#rearmedAt = now;
      this.#lastTickAt = now - TICK_MS;
    }
    for (; this.#lastTickAt + TICK_MS <= now + TICK_MS / 2; this.#lastTickAt += TICK_MS) this.#turn(now);
  }

  #turn(now: number): void {
    this.#cursor = (this.#cursor + 1) % this.#slots.length;
    const due = this.#slots[this.#cursor];
    if (due === undefined || due.size === 0) return;
    this.#slots[this.#cursor] = new Set();
    for (const pulse of due) this.#check(pulse, now);
  }

  #check(pulse: Pulse, now: number): void {
    if (pulse.paused || drained(pulse)) pulse.lastSignAt = now;
    if (pulse.lastSignAt >= pulse.pingedAt) pulse.pingedAt = 0;
    if (pulse.pingedAt === 0) this.#checkQuiet(pulse, now);
    else this.#checkAnswer(pulse, now);
  }

  #checkQuiet(pulse: Pulse, now: number): void {
    const waitMs = pulse.lastSignAt + this.#quietMs - now;
    if (waitMs >= TICK_MS) return this.#place(pulse, waitMs);
    pulse.pingedAt = now;
    pulse.takenAtPing = -1;
    this.#awaitSign(pulse);
    pulse.ping();
  }

  #checkAnswer(pulse: Pulse, now: number): void {
    if (Math.max(pulse.pingedAt, this.#rearmedAt) + this.#timeoutMs - now > EARLY_MS)
      return this.#awaitSign(pulse);
    this.remove(pulse);
    pulse.dead();
  }

  // Looked at in every tick: a blocked socket shows life by what its kernel gets rid of between two of them.
  #awaitSign(pulse: Pulse): void {
    if (pulse.takenAtPing < 0 && pulse.blocked) pulse.takenAtPing = pulse.taken;
    this.#place(pulse, TICK_MS);
  }

  #place(pulse: Pulse, inMs: number): void {
    const ticks = Math.min(this.#slots.length - 1, Math.max(1, Math.floor(inMs / TICK_MS)));
    pulse.slot = (this.#cursor + ticks) % this.#slots.length;
    this.#slots[pulse.slot]?.add(pulse);
  }
}

// A full kernel buffer moves only when the peer acknowledges; bytes that the kernel merely accepts prove nothing.
function drained(pulse: Pulse): boolean {
  return pulse.pingedAt > 0 && pulse.takenAtPing >= 0 && pulse.taken > pulse.takenAtPing;
}

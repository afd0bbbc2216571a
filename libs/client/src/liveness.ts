interface Heartbeat {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

interface LivenessEvents {
  readonly ping: () => void;
  readonly dead: () => void;
}

/** A server that can be reached answers sooner; what can't be is to be replaced while somebody looks. */
const PROBE_MS = 5_000;

/**
 * Notices a server that went silent. A browser doesn't show the protocol's pings, so after `intervalMs` without a frame
 * this asks for one, and gives up `timeoutMs` later. Any frame is a sign of life.
 */
export class Liveness {
  readonly #heartbeat: Heartbeat;
  readonly #events: LivenessEvents;
  #heardAt = performance.now();
  /** When it is given up; undefined: nothing was asked. */
  #deadline: number | undefined;
  #overdue = false;
  #timer: ReturnType<typeof setTimeout>;

  constructor(heartbeat: Heartbeat, events: LivenessEvents) {
    this.#heartbeat = heartbeat;
    this.#events = events;
    this.#timer = setTimeout(() => this.#check(), heartbeat.intervalMs);
  }

  heard(): void {
    this.#heardAt = performance.now();
    this.#deadline = undefined;
    this.#overdue = false;
  }

  /** Asks at once, and gives up 5 s later: time may have passed that no timer saw. */
  probe(): void {
    const remainingMs = (this.#deadline ?? 0) - performance.now();
    if (this.#overdue || (remainingMs > 0 && remainingMs <= PROBE_MS)) return;
    this.#ask(Math.min(this.#heartbeat.timeoutMs, PROBE_MS));
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #check(): void {
    const now = performance.now();
    const { intervalMs, timeoutMs } = this.#heartbeat;
    if (this.#deadline !== undefined) this.#await(this.#deadline - now);
    else if (now - this.#heardAt < intervalMs) this.#arm(this.#heardAt + intervalMs - now);
    else this.#ask(timeoutMs);
  }

  #ask(timeoutMs: number): void {
    this.#deadline = performance.now() + timeoutMs;
    this.#overdue = false;
    this.#arm(timeoutMs);
    this.#events.ping();
  }

  #await(remainingMs: number): void {
    if (remainingMs > 0) return this.#arm(remainingMs);
    if (this.#overdue) return this.#events.dead();
    // A loop that stalled has frames waiting behind its timers: they get one pass to prove the server alive.
    this.#overdue = true;
    this.#arm(1);
  }

  #arm(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#check(), Math.ceil(ms));
  }
}

interface Heartbeat {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

interface LivenessEvents {
  readonly ping: () => void;
  readonly dead: () => void;
}

/**
 * Notices a server that went silent. A browser doesn't show the protocol's pings, so after `intervalMs` without a frame
 * this asks for one, and gives up `timeoutMs` later. Any frame is a sign of life.
 */
export class Liveness {
  readonly #heartbeat: Heartbeat;
  readonly #events: LivenessEvents;
  #heardAt = performance.now();
  #pingedAt: number | undefined;
  #overdue = false;
  #timer: ReturnType<typeof setTimeout>;

  constructor(heartbeat: Heartbeat, events: LivenessEvents) {
    this.#heartbeat = heartbeat;
    this.#events = events;
    this.#timer = setTimeout(() => this.#check(), heartbeat.intervalMs);
  }

  heard(): void {
    this.#heardAt = performance.now();
    this.#pingedAt = undefined;
    this.#overdue = false;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #check(): void {
    const now = performance.now();
    const { intervalMs, timeoutMs } = this.#heartbeat;
    if (this.#pingedAt !== undefined) return this.#await(this.#pingedAt + timeoutMs - now);
    if (now - this.#heardAt < intervalMs) return this.#arm(this.#heardAt + intervalMs - now);
    this.#pingedAt = now;
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
    this.#timer = setTimeout(() => this.#check(), Math.ceil(ms));
  }
}

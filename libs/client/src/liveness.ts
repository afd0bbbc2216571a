interface Heartbeat {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

interface LivenessEvents {
  readonly ping: () => void;
  readonly dead: () => void;
}

export interface Liveness {
  /** Any frame is a sign of life. */
  heard(): void;
  /** Asks at once, and gives up 5 s later: time may have passed that no timer saw. */
  probe(): void;
  stop(): void;
}

/** A server that can be reached answers sooner; what can't be is to be replaced while somebody looks. */
const PROBE_MS = 5_000;

/**
 * Notices a server that went silent. A browser doesn't show the protocol's pings, so after `intervalMs` without a frame
 * this asks for one, and gives up `timeoutMs` later.
 */
export function watchLiveness(
  { intervalMs, timeoutMs }: Heartbeat,
  { ping, dead }: LivenessEvents,
): Liveness {
  let heardAt = performance.now();
  /** When it is given up; 0: nothing was asked. */
  let deadline = 0;
  let overdue = false;
  let timer: ReturnType<typeof setTimeout>;

  const wait = (ms: number): void => {
    clearTimeout(timer);
    timer = setTimeout(check, Math.ceil(ms));
  };
  const ask = (ms: number): void => {
    deadline = performance.now() + ms;
    overdue = false;
    wait(ms);
    ping();
  };
  const check = (): void => {
    const leftMs = (deadline || heardAt + intervalMs) - performance.now();
    if (leftMs > 0) wait(leftMs);
    else if (!deadline) ask(timeoutMs);
    else if (overdue) dead();
    else {
      // A loop that stalled has frames waiting behind its timers: they get one pass to prove the server alive.
      overdue = true;
      wait(1);
    }
  };
  wait(intervalMs);
  return {
    heard: () => {
      heardAt = performance.now();
      deadline = 0;
    },
    probe: () => {
      const leftMs = deadline - performance.now();
      if (!(deadline && overdue) && (leftMs <= 0 || leftMs > PROBE_MS)) ask(Math.min(timeoutMs, PROBE_MS));
    },
    stop: () => clearTimeout(timer),
  };
}

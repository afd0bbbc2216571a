/** Of what a server takes: even when a second's worth arrives in one go this stays below. */
const SHARE_OF_RATE = 0.8;
const SHARE_OF_BURST = 0.6;

/** What a server takes, as `$welcome` tells it. */
export interface MessageRate {
  readonly perSecond: number;
  readonly burst: number;
}

/** Of a server that doesn't say. */
const USUAL: MessageRate = { perSecond: 100, burst: 200 };

export interface Pace {
  /** A new connection: the server counts anew. */
  opened(rate: MessageRate | undefined): void;
  /** Milliseconds until the next message may leave; 0: it may now, and is counted. */
  take(): number;
}

/** How fast messages may leave, so that the server has no reason to close with 4429: a token bucket. */
export function createPace(): Pace {
  let perMs: number;
  let burst: number;
  let tokens: number;
  let filledAt: number;
  return {
    opened: (rate = USUAL) => {
      perMs = (rate.perSecond * SHARE_OF_RATE) / 1_000;
      tokens = burst = Math.max(1, rate.burst * SHARE_OF_BURST);
      filledAt = performance.now();
    },
    take: () => {
      const now = performance.now();
      tokens = Math.min(burst, tokens + (now - filledAt) * perMs);
      filledAt = now;
      if (tokens < 1) return Math.ceil((1 - tokens) / perMs);
      tokens -= 1;
      return 0;
    },
  };
}

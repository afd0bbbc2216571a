const BASE_MS = 500;
const CAP_MS = 20_000;

/**
 * Full jitter: a random wait in [0, min(20 s, 500 ms * 2^attempt)]. A fleet of clients that lost the same server comes
 * back spread over the whole window instead of in waves.
 */
export function backoffMs(attempt: number): number {
  return Math.random() * Math.min(CAP_MS, BASE_MS * 2 ** attempt);
}

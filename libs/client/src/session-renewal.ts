import type { Report } from './emitter.js';

const AT_SHARE_OF_LIFE = 0.8;
const LEAST_MS = 1_000;
/** A longer `setTimeout` overflows and fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

interface Life {
  /** The server's epoch milliseconds; null has no end. */
  readonly expiresAt: number | null;
  /** By the same clock: now. */
  readonly serverTime?: number;
}

/**
 * Renews a session at 80 % of what was left of it, by the clock of the server. A renewal that fails is tried again at 80 % of
 * the rest, so a few times and ever closer; after the end the server closes with 4401 and a new connection brings a new credential.
 * @param renew Sends `$auth` with a fresh credential; answers the new end.
 * @returns Ends it; no timer is left.
 */
export function renewSession(
  { expiresAt, serverTime }: Life,
  renew: () => Promise<number | null>,
  report: Report,
): () => void {
  const aheadMs = (serverTime ?? Date.now()) - Date.now();
  let stopped = false;
  let timer: ReturnType<typeof setTimeout>;

  const schedule = (end: number | null): void => {
    const leftMs = (end ?? 0) - aheadMs - Date.now();
    if (stopped || leftMs <= 0) return;
    const ms = Math.min(Math.max(LEAST_MS, leftMs * AT_SHARE_OF_LIFE), MAX_TIMER_MS);
    timer = setTimeout(() => {
      renew().then(schedule, (error: unknown) => {
        report(error);
        schedule(end);
      });
    }, ms);
  };
  schedule(expiresAt);
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}

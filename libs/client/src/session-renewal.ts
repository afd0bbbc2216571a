import type { Welcome } from '@aerie/protocol';
import type { Report } from './emitter.js';
import type { Exchange, Line } from './exchange.js';

const AT_SHARE_OF_LIFE = 0.8;
const LEAST_MS = 1_000;
/** A longer `setTimeout` overflows and fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

interface RenewalPorts {
  readonly line: Pick<Line, 'welcome'>;
  readonly exchange: Pick<Exchange, 'pause'>;
  readonly report: Report;
}

/**
 * Renews a session, as long as its connection lasts, at 80 % of what was left of it, by the clock of the server. A renewal that
 * fails is tried again at 80 % of the rest, so a few times and ever closer; after the end the server closes with 4401 and a new
 * connection brings a new credential.
 * @param renew Sends `$auth` with a fresh credential; answers the new end.
 */
export async function renewSession(
  welcome: Welcome,
  { line, exchange, report }: RenewalPorts,
  renew: () => Promise<number | null>,
): Promise<void> {
  const aheadMs = (welcome.serverTime ?? Date.now()) - Date.now();
  let end = welcome.expiresAt;
  while (line.welcome() === welcome) {
    const leftMs = (end ?? 0) - aheadMs - Date.now();
    if (leftMs <= 0) return;
    await exchange.pause(Math.min(Math.max(LEAST_MS, leftMs * AT_SHARE_OF_LIFE), MAX_TIMER_MS));
    if (line.welcome() === welcome) await renew().then((next) => (end = next), report);
  }
}

import { closeAdvice, type ErrorBody } from '@aerie/protocol';
import { backoffMs } from './backoff.js';
import type { Cause } from './state.js';
import type { Answer } from './wire.js';

/** A connection that stayed open this long makes the next back-off start from the beginning. */
const STABLE_MS = 10_000;
/** So many refused credentials in a row end the attempts. */
const MAX_REFUSALS = 3;
/**
 * Before another credential is tried. A token says in whole seconds when it was issued: one of the second in which its
 * predecessor was revoked looks as old as that.
 */
const NEXT_CREDENTIAL_MS = 1_000;
const WOULD_HAVE_OPENED = 426;

/** How one attempt, or the connection that came of it, ended. */
export interface Ending {
  /** WebSocket close code. */
  readonly code: number;
  readonly reason: string;
  /** What the server said before the end. */
  readonly error?: ErrorBody | undefined;
  /** How long the connection was open; 0 where it never was. */
  readonly openMs: number;
  /** What was left of the wait of `$reconnect` when the connection ended; below 0 for nothing. */
  readonly afterMs: number;
  /** What the server answered to the question why the open failed, or what the application said instead of a credential. */
  readonly answer?: Answer | undefined;
}

/** What is remembered from attempt to attempt. */
export interface Tries {
  /** Attempts since the last stable connection. */
  readonly attempt: number;
  /** Credentials refused in a row. */
  readonly refusals: number;
}

export const NO_TRIES: Tries = { attempt: 0, refusals: 0 };

/** What to do after an ending: come back after `ms`, or never. It is what the next step remembers. */
export interface Step extends Tries {
  readonly cause: Cause;
  /** Undefined: there is no other attempt. */
  readonly ms: number | undefined;
  /** To come back sooner would be refused, so nothing may shorten the wait. */
  readonly patient: boolean;
}

/** What to do after an ending. The same ending and tries give the same step, but for the random part of its wait. */
export function nextStep(ending: Ending, before: Tries): Step {
  const { code, openMs, answer } = ending;
  const advice = closeAdvice(answer?.status ?? code);
  const refused = advice === 'renew' && !openMs;
  // Whatever was no refused credential interrupts the row of those.
  const refusals = refused ? before.refusals + 1 : 0;
  const last = refusals === MAX_REFUSALS;
  const refusal = answer?.status === WOULD_HAVE_OPENED ? undefined : answer;
  const error = refusal?.error ?? ending.error;
  const said = refusal ? (error?.code ?? `HTTP ${refusal.status}`) : ending.reason;
  const reason = last ? 'unauthenticated' : said || 'connection lost';
  const attempt = openMs < STABLE_MS ? before.attempt : 0;
  const leastMs = refused ? NEXT_CREDENTIAL_MS : Math.max(0, answer?.afterMs || ending.afterMs || 0);
  // A server that asked for patience gets a wider window; one that gave each client a time of its own needs little.
  const window = advice === 'back-off' ? attempt + 2 : ending.afterMs > 0 ? -1 : attempt;
  return {
    cause: { code, reason, error },
    attempt: attempt + 1,
    refusals,
    patient: leastMs > 0,
    ms: last || advice === 'stop' ? undefined : leastMs + backoffMs(window),
  };
}

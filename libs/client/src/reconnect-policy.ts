import { closeAdvice, type CloseAdvice, type ErrorBody } from '@aerie/protocol';
import { backoffMs } from './backoff.js';
import { isRefusal, type DryRunAnswer } from './dry-run.js';
import type { Cause } from './state.js';
import type { Reached } from './wire.js';

/** A connection that stayed open this long makes the next back-off start from the beginning. */
export const STABLE_MS = 10_000;
/** So many refused credentials in a row end the attempts. */
const MAX_AUTH_FAILURES = 3;
/**
 * Before another credential is tried. A token says in whole seconds when it was issued: one of the second in which its
 * predecessor was revoked looks as old as that.
 */
const NEXT_CREDENTIAL_MS = 1_000;
/** Spread on top of a wait the server chose, as all its clients were told at once. */
const SPREAD_MS = 250;
/** A server that asked for patience gets a window that starts at 500 ms * 2^2. */
const PATIENT_STEPS = 2;

/** How one attempt, or the connection that came of it, ended. */
export interface Ending {
  /** WebSocket close code. */
  readonly code: number;
  readonly reason: string;
  /** What the server said before the end, or why there was no credential. */
  readonly error?: ErrorBody | undefined;
  /** How long the connection was open; absent where it never was. */
  readonly openMs?: number | undefined;
  /** What was left of the wait of `$reconnect` when the connection ended. */
  readonly remainderMs?: number | undefined;
  /** What the server answered to the question why the open failed. */
  readonly answer?: DryRunAnswer | undefined;
  /** How far it came; absent where there was no credential to try with. */
  readonly reached?: Reached | undefined;
}

/** What is remembered from attempt to attempt. */
export interface Tries {
  /** Attempts since the last stable connection. */
  readonly attempt: number;
  /** Credentials refused in a row. */
  readonly authFailures: number;
}

export const NO_TRIES: Tries = { attempt: 0, authFailures: 0 };

/** What to do after an ending: come back after `ms`, or never. */
export interface Step {
  readonly cause: Cause;
  /** Absent: there is no other attempt. */
  readonly ms?: number;
  /** To come back sooner would be refused, so nothing may shorten the wait. */
  readonly patient: boolean;
  readonly tries: Tries;
}

/** What to do after an ending. Pure: the same ending, tries and random number give the same step. */
export function nextStep(ending: Ending, before: Tries, random: () => number = Math.random): Step {
  const { code, openMs, remainderMs, answer } = ending;
  const error = answer?.error ?? ending.error;
  const advice = answer ? statusAdvice(answer.status) : closeAdvice(code);
  const refused = advice === 'renew' && openMs === undefined;
  // Whatever was no refused credential interrupts the row of those.
  const authFailures = refused ? before.authFailures + 1 : 0;
  const last = authFailures === MAX_AUTH_FAILURES;
  const said = answer && (error?.code ?? (isRefusal(answer) && `HTTP ${answer.status}`));
  const reason = (last ? 'unauthenticated' : said) || ending.reason || 'connection lost';
  const cause = { code, reason, ...(error && { error }) };
  const attempt = (openMs ?? 0) >= STABLE_MS ? 0 : before.attempt;
  const tries = { attempt: attempt + 1, authFailures };
  if (last || advice === 'stop') return { cause, tries, patient: true };
  if (remainderMs !== undefined && !answer && advice === 'reconnect')
    return { cause, tries, patient: true, ms: remainderMs + random() * SPREAD_MS };
  const backOff = advice === 'back-off';
  const leastMs = refused ? NEXT_CREDENTIAL_MS : (backOff && answer?.retryAfterMs) || 0;
  const ms = leastMs + backoffMs(attempt + (backOff ? PATIENT_STEPS : 0), random);
  return { cause, tries, patient: leastMs > 0, ms };
}

/** What an HTTP answer to the attempt advises, in the words of the close codes. */
function statusAdvice(status: number): CloseAdvice {
  if (status === 401) return 'renew';
  if (status === 403 || status === 404) return 'stop';
  return status === 429 || status === 503 ? 'back-off' : 'reconnect';
}

import { closeAdvice, errorCodeOfStatus, type CloseAdvice, type ErrorBody } from '@aerie/protocol';
import { backoffMs } from './backoff.js';
import { isRefusal, type DryRunAnswer } from './dry-run.js';
import type { Cause } from './state.js';
import type { Reached } from './wire.js';

/** A connection that stayed open this long makes the next back-off start from the beginning. */
export const STABLE_MS = 10_000;
/** So many refused credentials in a row end the attempts. */
export const MAX_AUTH_FAILURES = 3;
/**
 * Before another credential is tried. A token says in whole seconds when it was issued: one of the second in which its
 * predecessor was revoked looks as old as that.
 */
const NEXT_CREDENTIAL_MS = 1_000;
/** Spread on top of a wait the server chose, as all its clients were told at once. */
export const SPREAD_MS = 250;
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

export type Step =
  | { readonly action: 'stop'; readonly cause: Cause }
  /** `patient`: to come back sooner would be refused, so nothing may shorten it. */
  | {
      readonly action: 'wait';
      readonly ms: number;
      readonly patient: boolean;
      readonly tries: Tries;
      readonly cause: Cause;
    };

/** What to do after an ending. Pure: the same ending, tries and random number give the same step. */
export function nextStep(ending: Ending, before: Tries, random: () => number = Math.random): Step {
  const { answer, openMs = 0, remainderMs } = ending;
  const cause = causeOf(ending);
  const advice = answer ? statusAdvice(answer.status) : closeAdvice(ending.code);
  const refused = advice === 'renew' && ending.openMs === undefined;
  // Whatever was no refused credential interrupts the row of those.
  const authFailures = refused ? before.authFailures + 1 : 0;
  if (authFailures >= MAX_AUTH_FAILURES)
    return { action: 'stop', cause: { ...cause, reason: 'unauthenticated' } };
  if (advice === 'stop') return { action: 'stop', cause };
  const attempt = openMs >= STABLE_MS ? 0 : before.attempt;
  const tries = { attempt: attempt + 1, authFailures };
  if (advice === 'reconnect' && !answer && remainderMs !== undefined)
    return { action: 'wait', ms: remainderMs + random() * SPREAD_MS, patient: true, tries, cause };
  const backOff = advice === 'back-off';
  const leastMs = refused ? NEXT_CREDENTIAL_MS : (backOff && answer?.retryAfterMs) || 0;
  const ms = leastMs + backoffMs(attempt + (backOff ? PATIENT_STEPS : 0), random);
  return { action: 'wait', ms, patient: leastMs > 0, tries, cause };
}

/** What an HTTP answer to the attempt advises, in the words of the close codes. */
function statusAdvice(status: number): CloseAdvice {
  if (status === 401) return 'renew';
  if (status === 403 || status === 404) return 'stop';
  return status === 429 || status === 503 ? 'back-off' : 'reconnect';
}

function causeOf({ code, reason, error, answer }: Ending): Cause {
  const said = answer?.error ?? error;
  const why = answer && (said?.code ?? (isRefusal(answer) && errorCodeOfStatus(answer.status)));
  return { code, reason: why || reason || 'connection lost', ...(said && { error: said }) };
}

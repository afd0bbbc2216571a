import { closeAdvice, errorCodeOfStatus, type ErrorBody } from '@aerie/protocol';
import { backoffMs } from './backoff.js';
import type { DryRunAnswer } from './dry-run.js';
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
  readonly error?: ErrorBody;
  /** How long the connection was open; absent where it never was. */
  readonly openMs?: number;
  /** What was left of the wait of `$reconnect` when the connection ended. */
  readonly remainderMs?: number;
  /** What the server answered to the question why the open failed. */
  readonly answer?: DryRunAnswer;
  /** How far it came; absent where there was no credential to try with. */
  readonly reached?: Reached;
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
  const attempt = (ending.openMs ?? 0) >= STABLE_MS ? 0 : before.attempt;
  const decision: Decision = { cause: causeOf(ending), attempt, authFailures: before.authFailures, random };
  return ending.answer ? afterAnswer(ending.answer, decision) : afterClose(ending, decision);
}

interface Decision {
  readonly cause: Cause;
  readonly attempt: number;
  readonly authFailures: number;
  readonly random: () => number;
}

function afterClose(ending: Ending, decision: Decision): Step {
  switch (closeAdvice(ending.code)) {
    case 'stop':
      return { action: 'stop', cause: decision.cause };
    case 'renew':
      return ending.openMs === undefined ? afterAuthFailure(decision) : wait(decision);
    case 'back-off':
      return wait(decision, { steps: PATIENT_STEPS });
    default:
      return ending.remainderMs === undefined ? wait(decision) : waitRemainder(ending.remainderMs, decision);
  }
}

function afterAnswer({ status, retryAfterMs = 0 }: DryRunAnswer, decision: Decision): Step {
  if (status === 401) return afterAuthFailure(decision);
  if (status === 403 || status === 404) return { action: 'stop', cause: decision.cause };
  if (status === 429 || status === 503)
    return wait(decision, { steps: PATIENT_STEPS, leastMs: retryAfterMs });
  return wait(decision);
}

function afterAuthFailure(decision: Decision): Step {
  const authFailures = decision.authFailures + 1;
  if (authFailures >= MAX_AUTH_FAILURES) {
    return { action: 'stop', cause: { ...decision.cause, reason: 'unauthenticated' } };
  }
  return wait(decision, { authFailures, leastMs: NEXT_CREDENTIAL_MS });
}

/** Whatever was no refused credential interrupts the row of those. */
function wait({ cause, attempt, random }: Decision, { steps = 0, leastMs = 0, authFailures = 0 } = {}): Step {
  const ms = leastMs + backoffMs(attempt + steps, random);
  return { action: 'wait', ms, patient: leastMs > 0, tries: { attempt: attempt + 1, authFailures }, cause };
}

function waitRemainder(remainderMs: number, { cause, attempt, random }: Decision): Step {
  const ms = remainderMs + random() * SPREAD_MS;
  return { action: 'wait', ms, patient: true, tries: { attempt: attempt + 1, authFailures: 0 }, cause };
}

function causeOf({ code, reason, error, answer }: Ending): Cause {
  const said = answer?.error ?? error;
  return {
    code,
    reason: reasonOf({ reason, error: said, status: answer?.status }),
    ...(said && { error: said }),
  };
}

interface Reason {
  readonly reason: string;
  readonly error: ErrorBody | undefined;
  readonly status: number | undefined;
}

function reasonOf({ reason, error, status }: Reason): string {
  if (error && status !== undefined) return error.code;
  if (status !== undefined && status >= 400 && status !== 426) return errorCodeOfStatus(status);
  return reason || 'connection lost';
}

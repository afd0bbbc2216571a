import { Refusal } from '../refusal.js';

/** When to come back after a refusal that says no better. */
export const RETRY_AFTER_SECONDS = 2;

/**
 * "We don't know you." One text for every cause, so that the answer is no oracle for whoever tries tokens out; `reason`
 * tells the log which it was.
 */
export function unauthenticated(reason: string): Refusal {
  return new Refusal('unauthenticated', 'authentication failed', { reason });
}

/** "Not from this address, for now": it failed too often. */
export function blocked(forMs: number): Refusal {
  return new Refusal('rate_limited', 'too many failed attempts', {
    retryAfterSeconds: Math.ceil(forMs / 1_000),
  });
}

/** "We can't tell now": something that authentication needs is away. Never to be mistaken for a wrong credential. */
export function unavailable(reason: string): Refusal {
  return new Refusal('unavailable', 'authentication is not available', {
    reason,
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
}

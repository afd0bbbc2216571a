import type { ErrorBody } from '@aerie/protocol';

/** After `unavailable` the outcome is unknown: its caller needs the key to repeat the call with, also a generated one. */
export function publicationError(failure: { error: ErrorBody; idempotencyKey: string }): {
  error: ErrorBody;
} {
  const { error, idempotencyKey } = failure;
  if (error.code !== 'unavailable') return { error };
  return { error: { ...error, details: { idempotencyKey } } };
}

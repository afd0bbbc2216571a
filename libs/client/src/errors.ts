import type { ErrorBody, ErrorCode } from '@aerie/protocol';

/**
 * Every expected failure of the SDK. Branch on `code`: it is one of the protocol's codes, whether the server said it
 * or the client found out itself (`timeout`, `unavailable` for a lost connection, `overloaded` for a full queue,
 * `too_large`, `invalid`).
 */
export class RealtimeError extends Error {
  override readonly name = 'RealtimeError';
  declare readonly code: ErrorCode;
  declare readonly details: unknown;

  constructor({ code, message, details }: ErrorBody) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

/** What the client itself has to refuse or to report. */
export function failure(code: ErrorCode, message: string): RealtimeError {
  return new RealtimeError({ code, message });
}

export function stopped(): RealtimeError {
  return failure('unavailable', 'stopped');
}

/** True for a failure with one of these codes. */
export function hasCode(error: unknown, ...codes: readonly ErrorCode[]): boolean {
  return error instanceof RealtimeError && codes.includes(error.code);
}

/** True for a failure that may be gone a little later; a refusal is none. */
export function isTransient(error: unknown): boolean {
  return hasCode(error, 'unavailable', 'draining', 'timeout', 'overloaded', 'rate_limited', 'internal');
}

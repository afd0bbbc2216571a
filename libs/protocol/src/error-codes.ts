/** Every error code of the wire protocol and its HTTP status. The one table: HTTP, sockets and the SDK use it. */
export const ERROR_STATUS = {
  invalid: 400,
  bad_frame: 400,
  unknown_event: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  session_gone: 410,
  too_large: 413,
  rate_limited: 429,
  limit_exceeded: 429,
  internal: 500,
  unavailable: 503,
  draining: 503,
  overloaded: 503,
  timeout: 504,
} as const;

/** A code of the table `ERROR_STATUS`. */
export type ErrorCode = keyof typeof ERROR_STATUS;

/** What a peer is told of a failure: over a socket, in an HTTP body, in a rejected promise of the SDK. */
export interface ErrorBody {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details?: unknown;
}

const CODES = Object.keys(ERROR_STATUS) as readonly ErrorCode[];

/** The code for an HTTP status, the first of the table that has it; other 4xx are `invalid`, the rest `internal`. */
export function errorCodeOfStatus(status: number): ErrorCode {
  // How Node's own HTTP server and proxies say that a request took too long.
  if (status === 408) return 'timeout';
  return (
    CODES.find((code) => ERROR_STATUS[code] === status) ??
    (status >= 400 && status < 500 ? 'invalid' : 'internal')
  );
}

/** Whether a value is a code of the table. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERROR_STATUS, value);
}

import { ERROR_STATUS, type ErrorBody, type ErrorCode } from '@aerie/protocol';

interface RefusalOptions {
  /** Seconds for the `Retry-After` header. */
  readonly retryAfterSeconds?: number;
  /** Where HTTP wants another status than the code's own (408 for a handshake that took too long). */
  readonly status?: number;
  /** For the log only: a short reason that never contains a credential. */
  readonly reason?: string;
  /** What the client may go by; never anything that it should not know. */
  readonly details?: unknown;
}

/** An expected "no": a value that a handshake step or a channel rule returns, never throws. */
export class Refusal {
  readonly status: number;
  readonly retryAfterSeconds: number | undefined;
  readonly reason: string;
  readonly details: unknown;

  constructor(
    readonly code: ErrorCode,
    readonly message: string,
    options: RefusalOptions = {},
  ) {
    this.status = options.status ?? ERROR_STATUS[code];
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.reason = options.reason ?? code;
    this.details = options.details;
  }

  get body(): ErrorBody {
    const { code, message, details } = this;
    return { code, message, ...(details !== undefined && { details }) };
  }
}

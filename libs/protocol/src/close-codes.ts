/** One way to end a connection. */
export interface Close {
  readonly code: number;
  readonly reason: string;
}

/** Every way in which the server ends a connection. One fixed reason text each. */
export const CLOSE = {
  normal: { code: 1000, reason: 'normal' },
  goingAway: { code: 1001, reason: 'going away' },
  protocolError: { code: 1002, reason: 'protocol error' },
  invalidData: { code: 1007, reason: 'invalid data' },
  policy: { code: 1008, reason: 'policy violation' },
  replaced: { code: 1008, reason: 'replaced' },
  tooLarge: { code: 1009, reason: 'frame too large' },
  serverFault: { code: 1011, reason: 'server fault' },
  overloaded: { code: 1013, reason: 'overloaded' },
  tokenInvalid: { code: 4001, reason: 'token invalid' },
  authTimeout: { code: 4002, reason: 'not authenticated in time' },
  slowConsumer: { code: 4008, reason: 'slow consumer' },
  sessionEnded: { code: 4401, reason: 'session ended' },
  disconnected: { code: 4403, reason: 'disconnected' },
  rateLimited: { code: 4429, reason: 'rate limited' },
} as const satisfies Record<string, Close>;

/** A name in the table `CLOSE`. */
export type CloseName = keyof typeof CLOSE;

/**
 * What a client does after a close: `stop`, open again (`reconnect`), open again but ever more slowly (`back-off`), or first
 * ask for a new token (`renew`).
 */
export type CloseAdvice = 'stop' | 'reconnect' | 'back-off' | 'renew';

type Code = (typeof CLOSE)[CloseName]['code'];

/** The HTTP statuses, below all close codes, that advise something to a client which was not let in. */
type Status = 401 | 403 | 404 | 429 | 503;

/** Of the code alone, and apart from the reasons, so that a client's bundle doesn't carry those. */
const STOP: readonly number[] = [1000, 1008, 1009, 4403, 403, 404] satisfies (Code | Status)[];
const RENEW: readonly number[] = [4001, 4401, 401] satisfies (Code | Status)[];
const BACK_OFF: readonly number[] = [1002, 1007, 1011, 1013, 4429, 429, 503] satisfies (Code | Status)[];

/**
 * What a client should do after a close code, or after the HTTP status that it was answered instead of an open: 401, 403,
 * 404, 429 and 503 advise something. 1006 and all else mean "reconnect and recover".
 */
export function closeAdvice(code: number): CloseAdvice {
  if (STOP.includes(code)) return 'stop';
  if (RENEW.includes(code)) return 'renew';
  return BACK_OFF.includes(code) ? 'back-off' : 'reconnect';
}

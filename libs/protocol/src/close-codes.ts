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

/** Of the code alone, and apart from the reasons, so that a client's bundle doesn't carry those. */
const ADVICE: Readonly<Record<number, CloseAdvice>> = {
  1000: 'stop',
  1001: 'reconnect',
  1002: 'back-off',
  1007: 'back-off',
  1008: 'stop',
  1009: 'stop',
  1011: 'back-off',
  1013: 'back-off',
  4001: 'renew',
  4002: 'reconnect',
  4008: 'reconnect',
  4401: 'renew',
  4403: 'stop',
  4429: 'back-off',
} satisfies Record<(typeof CLOSE)[CloseName]['code'], CloseAdvice>;

/** What a client should do after a close code. 1006 and any unknown code mean "reconnect and recover". */
export function closeAdvice(code: number): CloseAdvice {
  return ADVICE[code] ?? 'reconnect';
}

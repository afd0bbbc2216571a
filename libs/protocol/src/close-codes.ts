/** What a client does after a close: `stop`, open again (`reconnect`), or first ask for a new token (`renew`). */
export type CloseAdvice = 'stop' | 'reconnect' | 'back-off' | 'renew';

/** One way to end a connection. */
export interface Close {
  readonly code: number;
  readonly reason: string;
  readonly advice: CloseAdvice;
}

/** Every way in which the server ends a connection. One fixed reason text each. */
export const CLOSE = {
  normal: { code: 1000, reason: 'normal', advice: 'stop' },
  goingAway: { code: 1001, reason: 'going away', advice: 'reconnect' },
  protocolError: { code: 1002, reason: 'protocol error', advice: 'back-off' },
  notUtf8: { code: 1007, reason: 'not utf-8', advice: 'back-off' },
  policy: { code: 1008, reason: 'policy violation', advice: 'stop' },
  replaced: { code: 1008, reason: 'replaced', advice: 'stop' },
  tooLarge: { code: 1009, reason: 'frame too large', advice: 'stop' },
  serverFault: { code: 1011, reason: 'server fault', advice: 'back-off' },
  overloaded: { code: 1013, reason: 'overloaded', advice: 'back-off' },
  tokenInvalid: { code: 4001, reason: 'token invalid', advice: 'renew' },
  authTimeout: { code: 4002, reason: 'not authenticated in time', advice: 'reconnect' },
  slowConsumer: { code: 4008, reason: 'slow consumer', advice: 'reconnect' },
  sessionEnded: { code: 4401, reason: 'session ended', advice: 'renew' },
  disconnected: { code: 4403, reason: 'disconnected', advice: 'stop' },
  rateLimited: { code: 4429, reason: 'rate limited', advice: 'back-off' },
} as const satisfies Record<string, Close>;

export type CloseName = keyof typeof CLOSE;

const ADVICE = new Map<number, CloseAdvice>(Object.values(CLOSE).map(({ code, advice }) => [code, advice]));

/** What a client should do after a close code. 1006 and any unknown code mean "reconnect and recover". */
export function closeAdvice(code: number): CloseAdvice {
  return ADVICE.get(code) ?? 'reconnect';
}

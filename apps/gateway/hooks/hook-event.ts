import { createHmac, randomUUID } from 'node:crypto';
import type { Session, SessionEvent } from '@aerie/realtime';

export const TOLD_HOOKS = ['connected', 'online', 'offline'] as const;
/** What may be told besides `disconnect`. */
export type ToldHook = (typeof TOLD_HOOKS)[number];
export type HookName = 'connect' | 'subscribe' | 'publish' | 'message' | 'disconnect' | ToldHook;

/** One call of HOOKS_URL. */
export interface HookEvent {
  /** The same over retries: what the receiver dedupes by. */
  readonly id: string;
  readonly hook: HookName;
  /** JSON. Never logged. */
  readonly body: string;
}

/** What the receiver is told besides who it is about. */
export type HookDetails = Readonly<Record<string, unknown>> & { readonly connection?: string };

export function hookEvent(hook: HookName, session: Session, details: HookDetails): HookEvent {
  const { user, tenant, claims } = session;
  return { id: randomUUID(), hook, body: JSON.stringify({ hook, user, tenant, claims, ...details }) };
}

/** What became of a connection or a user. Told again under the same id where that failed. */
export function toldEvent({ id, type, ...details }: SessionEvent): HookEvent {
  const hook = type === 'disconnected' ? 'disconnect' : type;
  return { id, hook, body: JSON.stringify({ hook, ...details }) };
}

/**
 * The headers by which the receiver knows that a call is ours and fresh: `aerie-timestamp` (Unix seconds) and
 * `aerie-signature: v1=<hex HMAC-SHA256 of "<timestamp>.<body>">`.
 */
export function signedHeaders(event: HookEvent, secret: string): Record<string, string> {
  const timestamp = Math.floor(Date.now() / 1_000).toString();
  const signature = createHmac('sha256', secret).update(`${timestamp}.${event.body}`).digest('hex');
  return {
    'content-type': 'application/json',
    'aerie-timestamp': timestamp,
    'aerie-signature': `v1=${signature}`,
    'aerie-event-id': event.id,
  };
}

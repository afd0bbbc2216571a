import type { ErrorBody } from '@aerie/protocol';
import { fieldsOf } from './server-frame.js';

const TIMEOUT_MS = 10_000;
const WOULD_HAVE_OPENED = 426;

/** What `GET` on the WebSocket's address answered. 426 means that the upgrade would have been admitted. */
export interface DryRunAnswer {
  readonly status: number;
  /** Why the server refused. A refusal without this has not the server's form: something on the way answered in its place. */
  readonly error?: ErrorBody | undefined;
  /** The server's `Retry-After`, in milliseconds; 0 for none. */
  readonly retryAfterMs?: number;
}

export interface HttpRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly credentials: 'include' | 'omit' | 'same-origin';
}

interface DryRunOptions {
  readonly fetch: typeof globalThis.fetch;
  readonly signal: AbortSignal;
}

/**
 * Asks the server why an open failed: a WebSocket doesn't show the status of a refused upgrade. Undefined where there
 * is no answer to be had: network down, no CORS, 10 s passed.
 */
export async function askWhy(
  { url, ...init }: HttpRequest,
  options: DryRunOptions,
): Promise<DryRunAnswer | undefined> {
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(TIMEOUT_MS)]);
  try {
    // Redirects stay unfollowed: a credential must not travel on to another address.
    const response = await options.fetch(url, { ...init, signal, cache: 'no-store', redirect: 'manual' });
    return response.status === 0 ? undefined : await answerOf(response);
  } catch {
    return undefined;
  }
}

/** Reads what a server answered instead of what it was asked for. */
export async function answerOf(response: Response): Promise<DryRunAnswer> {
  const { status, headers } = response;
  const after = headers.get('retry-after') ?? '';
  const retryAfterMs = Math.max(0, Number(after) * 1_000 || Date.parse(after) - Date.now() || 0);
  const body: unknown = await response.json().catch(() => undefined);
  const { error } = fieldsOf(body);
  return { status, retryAfterMs, ...(isRefusal({ status }) && fieldsOf(error).code && { error }) };
}

/** Whether an answer says why an attempt was refused. */
export function isRefusal({ status }: DryRunAnswer): boolean {
  return status >= 400 && status !== WOULD_HAVE_OPENED;
}

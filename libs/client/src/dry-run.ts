import { errorCodeOfStatus, type ErrorBody } from '@aerie/protocol';
import { fieldsOf, isFields, readError } from './server-frame.js';

const TIMEOUT_MS = 10_000;
const WOULD_HAVE_OPENED = 426;

/** What `GET` on the WebSocket's address answered. 426 means that the upgrade would have been admitted. */
export interface DryRunAnswer {
  readonly status: number;
  readonly error?: ErrorBody;
  /** The refusal has not the server's form: something on the way answered in its place. */
  readonly isForeign?: true;
  /** The server's `Retry-After`, in milliseconds. */
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
  request: HttpRequest,
  options: DryRunOptions,
): Promise<DryRunAnswer | undefined> {
  const { url, ...init } = request;
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(TIMEOUT_MS)]);
  try {
    // Redirects stay unfollowed: a credential must not travel on to another address.
    const response = await options.fetch(url, { ...init, signal, cache: 'no-store', redirect: 'manual' });
    if (response.status === 0) return undefined;
    return await answerOf(response);
  } catch {
    return undefined;
  }
}

/** Reads what a server answered instead of what it was asked for. */
export async function answerOf(response: Response): Promise<DryRunAnswer> {
  const { status } = response;
  const body: unknown = await response.json().catch(() => undefined);
  const said = fieldsOf(body)['error'];
  const retryAfterMs = millisecondsIn(response.headers.get('retry-after') ?? '');
  return {
    status,
    ...(isRefusal({ status }) && {
      error: readError(fieldsOf(said), errorCodeOfStatus(status)),
      ...(!isFields(said) && { isForeign: true }),
    }),
    ...(retryAfterMs > 0 && { retryAfterMs }),
  };
}

/** Whether an answer says why an attempt was refused. */
export function isRefusal({ status }: DryRunAnswer): boolean {
  return status >= 400 && status !== WOULD_HAVE_OPENED;
}

function millisecondsIn(retryAfter: string): number {
  return /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1_000 : Date.parse(retryAfter) - Date.now();
}

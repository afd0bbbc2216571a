import { errorCodeOfStatus, type ErrorBody } from '@aerie/protocol';
import { isFields, readError } from './server-frame.js';

const TIMEOUT_MS = 10_000;

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
  return { status: response.status, ...(await readRefusal(response)), ...readRetryAfter(response) };
}

async function readRefusal(response: Response): Promise<Pick<DryRunAnswer, 'error' | 'isForeign'>> {
  const body: unknown = await response.json().catch(() => undefined);
  if (response.status === 426 || response.status < 400) return {};
  const fallback = errorCodeOfStatus(response.status);
  if (isFields(body) && isFields(body['error'])) return { error: readError(body['error'], fallback) };
  return { error: readError({}, fallback), isForeign: true };
}

function readRetryAfter({ headers }: Response): { retryAfterMs?: number } {
  const value = headers.get('retry-after');
  if (value === null) return {};
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return ms > 0 ? { retryAfterMs: ms } : {};
}

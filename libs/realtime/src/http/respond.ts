import type { IncomingMessage, ServerResponse } from 'node:http';
import { Refusal } from '../refusal.js';
import type { RouteReply } from './route.js';

const SECURITY_HEADERS = { 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' } as const;
const MAX_SKIPPED_BYTES = 64 * 1024;

/** One answer on its way out: the reply, and what the edge adds to it. */
export interface Answer {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly reply: RouteReply;
  /** Added under the reply's own headers. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Says `Connection: close` whatever the reply wants. */
  readonly close?: boolean;
  /** Told of what the answer holds until its client has taken it. */
  readonly owed?: OwedAnswer | undefined;
}

export type OwedAnswer = (response: ServerResponse, payload: Uint8Array) => void;

/** Writes a reply, with `nosniff` and `no-store` unless it says otherwise. Silent where the client has gone. */
export function respond({ request, response, reply, headers, close = false, owed }: Answer): void {
  if (response.headersSent || response.destroyed) return;
  const { payload, type } = encoded(reply.body);
  const all = { ...SECURITY_HEADERS, ...headers, ...type, ...reply.headers };
  for (const [name, value] of Object.entries(all)) response.setHeader(name, value);
  if (close || reply.close === true || leavesMuchUnread(request)) response.setHeader('connection', 'close');
  response.statusCode = reply.status ?? (payload === undefined ? 204 : 200);
  if (payload !== undefined) {
    response.setHeader('content-length', payload.byteLength);
    if (request.method !== 'HEAD') owed?.(response, payload);
  }
  response.end(payload);
}

/**
 * A Refusal as HTTP: `{"error": {code, message, details?}}`, its status, `Retry-After`, and for 401 the scheme that is asked
 * for; a draining node also closes, and so does who waits no longer for the rest of a request.
 */
export function refusalReply(refusal: Refusal): RouteReply {
  const { status, retryAfterSeconds } = refusal;
  return {
    status,
    headers: {
      ...(retryAfterSeconds !== undefined && { 'retry-after': `${retryAfterSeconds}` }),
      ...(status === 401 && { 'www-authenticate': 'Bearer' }),
    },
    body: { error: refusal.body },
    close: refusal.code === 'draining' || status === 408,
  };
}

function encoded(body: unknown): { payload?: Uint8Array; type?: Record<string, string> } {
  if (body === undefined) return {};
  if (body instanceof Uint8Array)
    return { payload: body, type: { 'content-type': 'application/octet-stream' } };
  if (typeof body === 'string')
    return { payload: Buffer.from(body), type: { 'content-type': 'text/plain; charset=utf-8' } };
  return {
    payload: Buffer.from(JSON.stringify(body)),
    type: { 'content-type': 'application/json; charset=utf-8' },
  };
}

/** Node reads a body that nobody read to its end, whatever its size, to keep the connection alive. */
function leavesMuchUnread({ complete, headers }: IncomingMessage): boolean {
  const hasLength = headers['transfer-encoding'] === undefined;
  return !complete && !(hasLength && Number(headers['content-length'] ?? 0) <= MAX_SKIPPED_BYTES);
}

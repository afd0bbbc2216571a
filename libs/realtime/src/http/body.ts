import type { IncomingMessage } from 'node:http';
import { jsonDepth, LIMITS } from '@aerie/protocol';
import { Refusal } from '../refusal.js';

const MAX_BODY_BYTES = 1024 * 1024;
// A body a little too large is read to its end, so that its sender gets to see the 413 instead of a reset.
const MAX_DISCARDED_BYTES = 8 * MAX_BODY_BYTES;
const BODY_DEADLINE_MS = 10_000;

/**
 * Reads a request's body as JSON: `application/json`, UTF-8, not compressed, at most 1 MiB, 64 levels deep, within 10 s.
 * What it can't take comes back as a Refusal (400, 408, 413, 415), never as a throw.
 */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const refusal = requireJson(request);
  if (refusal) return refusal;
  const body = await readBytes(request);
  return body instanceof Refusal ? body : parse(body);
}

/** 415 for a request that does not declare plain JSON: no page of another origin can declare that without a preflight. */
export function requireJson(request: IncomingMessage): Refusal | undefined {
  if (isPlainJson(request)) return undefined;
  return new Refusal('invalid', 'the body must be application/json, UTF-8 and not compressed', {
    status: 415,
  });
}

function isPlainJson({ headers }: IncomingMessage): boolean {
  const [type, ...parameters] = (headers['content-type'] ?? '').toLowerCase().split(';');
  const charset = parameters
    .map((parameter) => parameter.trim())
    .find((parameter) => parameter.startsWith('charset='));
  const isUtf8 = charset === undefined || /^charset="?utf-?8"?$/.test(charset);
  return (
    type?.trim() === 'application/json' &&
    isUtf8 &&
    (headers['content-encoding'] ?? 'identity').toLowerCase() === 'identity'
  );
}

function parse(body: Buffer): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body);
    if (jsonDepth(text) > LIMITS.jsonDepth)
      return new Refusal('invalid', `JSON deeper than ${LIMITS.jsonDepth}`);
    return JSON.parse(text) as unknown;
  } catch {
    return new Refusal('invalid', 'the body is not JSON');
  }
}

function readBytes(request: IncomingMessage): Promise<Buffer | Refusal> {
  const tooLarge = new Refusal('too_large', `the body is larger than ${MAX_BODY_BYTES} bytes`);
  const gone = new Refusal('invalid', 'the request ended before its body');
  if (Number(request.headers['content-length'] ?? 0) > MAX_DISCARDED_BYTES) return Promise.resolve(tooLarge);
  if (request.destroyed || request.readableEnded) return Promise.resolve(gone);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const settle = (outcome: Buffer | Refusal): void => {
      clearTimeout(deadline);
      request.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone);
      resolve(outcome);
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > MAX_DISCARDED_BYTES) settle(tooLarge);
      else if (bytes > MAX_BODY_BYTES) chunks.length = 0;
      else chunks.push(chunk);
    };
    const onEnd = (): void => settle(bytes > MAX_BODY_BYTES ? tooLarge : Buffer.concat(chunks));
    const onGone = (): void => settle(gone);
    const deadline = setTimeout(
      () => settle(new Refusal('timeout', 'the body took too long', { status: 408 })),
      BODY_DEADLINE_MS,
    ).unref();
    request.on('data', onData).once('end', onEnd).once('error', onGone).once('close', onGone);
  });
}

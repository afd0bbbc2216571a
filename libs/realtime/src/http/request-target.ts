import type { IncomingMessage } from 'node:http';

/** The path of a request as sent: no query string, no decoding. A proxy's absolute form loses its origin. */
export function pathOf(request: IncomingMessage): string {
  const target = withoutOrigin(request.url ?? '/');
  const end = target.search(/[?#]/);
  return end === -1 ? target : target.slice(0, end);
}

/** The query of a request. It may hold a credential: never logged. */
export function queryOf(request: IncomingMessage): URLSearchParams {
  const target = request.url ?? '/';
  const start = target.indexOf('?');
  return new URLSearchParams(start === -1 ? '' : target.slice(start + 1));
}

/**
 * Every value that was sent for a header, in order; `name` in lower case. Read from the raw headers: `headersDistinct` would
 * keep an array for each header with the request, for as long as its connection lives.
 */
export function headerValues({ rawHeaders }: IncomingMessage, name: string): string[] {
  const values: string[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const value = rawHeaders[at + 1];
    if (value !== undefined && isNamed(rawHeaders[at], name)) values.push(value);
  }
  return values;
}

function isNamed(header: string | undefined, name: string): boolean {
  return header?.length === name.length && header.toLowerCase() === name;
}

/** Every header with all its values, as Node's `headersDistinct`, on whatever has raw headers. */
export function distinctHeaders({ rawHeaders }: IncomingMessage): Record<string, string[]> {
  const distinct = Object.create(null) as Record<string, string[]>;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = rawHeaders.slice(at, at + 2);
    (distinct[name.toLowerCase()] ??= []).push(value);
  }
  return distinct;
}

function withoutOrigin(target: string): string {
  if (target.startsWith('/')) return target;
  const path = /^https?:\/\/[^/?#]*(.*)$/i.exec(target)?.[1];
  if (path === undefined) return target;
  return path.startsWith('/') ? path : `/${path}`;
}

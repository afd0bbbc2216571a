import type { IncomingMessage } from 'node:http';
import { headerValues, queryOf } from '../http/request-target.js';

const MAX_FIELDS = 256;

/** The cookies of a request, percent-decoded; the first of a name wins, names beyond the 256th are left out. */
export function parseCookies(request: IncomingMessage): Record<string, string> {
  const cookies = withoutPrototype<string>();
  let count = 0;
  for (const [name, value] of cookiesOf(request)) {
    if (Object.hasOwn(cookies, name)) continue;
    if ((count += 1) > MAX_FIELDS) break;
    cookies[name] = value;
  }
  return cookies;
}

/** Every value that the request has for one cookie, in order. */
export function cookieValues(request: IncomingMessage, name: string): string[] {
  return [...cookiesOf(request)].filter(([candidate]) => candidate === name).map(([, value]) => value);
}

/** The query parameters of a request; one that comes several times is an array. Names beyond the 256th are left out. */
export function parseQuery(request: IncomingMessage): Record<string, string | string[]> {
  const query = withoutPrototype<string | string[]>();
  let count = 0;
  for (const [name, value] of queryOf(request)) {
    const before = query[name];
    if (before === undefined && (count += 1) > MAX_FIELDS) break;
    if (Array.isArray(before)) before.push(value);
    else query[name] = before === undefined ? value : [before, value];
  }
  return query;
}

function* cookiesOf(request: IncomingMessage): Generator<readonly [name: string, value: string]> {
  const header = headerValues(request, 'cookie').join(';');
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=');
    const name = trimBlanks(pair.slice(0, Math.max(0, equals)));
    if (name !== '') yield [name, cookieValue(pair.slice(equals + 1))];
  }
}

/** Blanks only: `trim` would also take exotic spaces off, and so let a foreign cookie pass for a `__Host-` one. */
function trimBlanks(text: string): string {
  return text.replace(/^[ \t]+/, '').replace(/(?<![ \t])[ \t]+$/, '');
}

function cookieValue(raw: string): string {
  const value = trimBlanks(raw);
  const bare = value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
  try {
    return decodeURIComponent(bare);
  } catch {
    return bare;
  }
}

/** A record on which a field named `__proto__` is a field like any other. */
function withoutPrototype<Value>(): Record<string, Value> {
  return Object.create(null) as Record<string, Value>;
}

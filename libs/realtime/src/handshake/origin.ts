import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { Refusal } from '../refusal.js';
import { headerValues } from '../http/request-target.js';

const ORIGIN = /^[a-z][a-z\d+.-]*:\/\/[^\s/?#@\\*,]+$/i;

export interface OriginOptions {
  /** Exactly these origins (scheme, host, port). Default: the host that the request itself names. */
  readonly allowed?: readonly string[] | undefined;
  /** Whether a request without an Origin is refused. Default false: only browsers send one. */
  readonly require?: boolean | undefined;
  /** Whether a request came through a trusted proxy, whose `X-Forwarded-Proto` is believed. Default: never. */
  readonly isProxied?: ((request: IncomingMessage) => boolean) | undefined;
}

/** Which pages may talk to us with a browser's cookies: the one list for WebSockets and for CORS. */
export class OriginPolicy {
  readonly #allowed: ReadonlySet<string> | undefined;
  readonly #require: boolean;
  readonly #isProxied: (request: IncomingMessage) => boolean;

  /** @throws TypeError that names the entry which is no origin; `*` is none. */
  constructor({ allowed, require = false, isProxied = () => false }: OriginOptions = {}) {
    this.#allowed = allowed && new Set(allowed.map(configuredOrigin));
    this.#require = require;
    this.#isProxied = isProxied;
  }

  /** Refuses a request whose Origin is not allowed. */
  check(request: IncomingMessage): Refusal | undefined {
    const sent = originsOf(request);
    if (sent.length === 0) return this.#require ? refused('origin_missing') : undefined;
    return this.#allows(request, sent) ? undefined : refused('origin_not_allowed');
  }

  /** The CORS headers of a reply; for an Origin that is not allowed only `vary`. */
  corsHeaders(request: IncomingMessage): Record<string, string> {
    const [origin, ...more] = originsOf(request);
    if (origin === undefined || !this.#allows(request, [origin, ...more])) return { vary: 'Origin' };
    return {
      vary: 'Origin',
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': 'ETag, Retry-After',
    };
  }

  #allows(request: IncomingMessage, [sent, ...more]: readonly string[]): boolean {
    const origin = sent === undefined || more.length > 0 ? undefined : normalised(sent);
    if (origin === undefined) return false;
    return this.#allowed ? this.#allowed.has(origin) : origin === this.#ownOrigin(request);
  }

  #ownOrigin(request: IncomingMessage): string | undefined {
    const [host, ...more] = headerValues(request, 'host');
    return host === undefined || more.length > 0
      ? undefined
      : normalised(`${this.#scheme(request)}://${host}`);
  }

  #scheme(request: IncomingMessage): string {
    const forwarded = this.#isProxied(request) ? request.headers['x-forwarded-proto'] : undefined;
    const [outermost] = [forwarded ?? []].flat().join(',').split(',');
    return (
      outermost?.trim().toLowerCase() || ((request.socket as Partial<TLSSocket>).encrypted ? 'https' : 'http')
    );
  }
}

function originsOf(request: IncomingMessage): readonly string[] {
  return headerValues(request, 'origin');
}

/** One spelling per origin: lower case, IDN as punycode, default ports left out. `null` and anything with a path is none. */
function normalised(text: string): string | undefined {
  if (!ORIGIN.test(text) || !URL.canParse(text)) return undefined;
  const { protocol, host, pathname } = new URL(text);
  return host !== '' && (pathname === '/' || pathname === '')
    ? `${protocol}//${host.toLowerCase()}`
    : undefined;
}

function configuredOrigin(entry: string): string {
  const origin = normalised(entry);
  if (origin === undefined)
    throw new TypeError(`allowed origins: "${entry}" is not an origin like https://app.example.com`);
  return origin;
}

function refused(reason: string): Refusal {
  return new Refusal('forbidden', 'origin not allowed', { reason });
}

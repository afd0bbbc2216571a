import { BEARER_SUBPROTOCOL_PREFIX, JSON_SUBPROTOCOL } from '@aerie/protocol';
import type { HttpRequest } from './dry-run.js';

/** How a token reaches the server. `query` needs a token that lives at most 60 s and ends up in proxies' logs. */
export type TokenVia = 'message' | 'subprotocol' | 'query';

/**
 * Who is connecting: a single-use ticket, a token, or neither, which leaves it to the browser's cookie. Called anew for
 * each attempt and each renewal. What it throws is tried again with back-off; throw a `RealtimeError` with code
 * `forbidden` to stop for good, or with `unauthenticated` to stop after the third in a row.
 */
export type CredentialOptions =
  | {
      readonly token: () => string | Promise<string>;
      /** Default `message`: the first message is `$auth`, so that the token is in no address and no header. */
      readonly tokenVia?: TokenVia;
      readonly ticket?: never;
    }
  | { readonly ticket: () => string | Promise<string>; readonly token?: never; readonly tokenVia?: never }
  | { readonly ticket?: never; readonly token?: never; readonly tokenVia?: never };

type CredentialKind = 'token' | 'ticket' | 'cookie';

/** What `$auth` carries. */
export type AuthData = { readonly token: string } | { readonly ticket: string };

interface SocketAddress {
  readonly url: string;
  readonly protocols: string[];
  /** Present where the first message has to be `$auth`. */
  readonly firstMessage?: AuthData;
}

/** Knows every place a credential may stand in: address, subprotocol, first message, and the headers of the dry run. */
export class Credentials {
  readonly #url: URL;
  readonly #kind: CredentialKind;
  readonly #via: TokenVia;
  readonly #fetchValue: () => string | Promise<string>;
  #latest = '';

  /** @throws TypeError for something that is no URL. */
  constructor(url: string | URL, options: CredentialOptions) {
    this.#url = socketUrl(url);
    this.#kind = options.token ? 'token' : options.ticket ? 'ticket' : 'cookie';
    this.#via = options.tokenVia ?? 'message';
    this.#fetchValue = options.token ?? options.ticket ?? (() => '');
  }

  get url(): URL {
    return new URL(this.#url);
  }

  /** The token that was obtained last; empty for tickets and cookies. */
  get bearer(): string {
    return this.#kind === 'token' ? this.#latest : '';
  }

  /** Whether `$auth` can renew a session; a cookie is renewed by opening again. */
  get renewable(): boolean {
    return this.#kind !== 'cookie';
  }

  /** A ticket serves once: the dry run after a failed open needs another. */
  get singleUse(): boolean {
    return this.#kind === 'ticket';
  }

  async obtain(): Promise<string> {
    return (this.#latest = await this.#fetchValue());
  }

  authData(value: string): AuthData {
    return this.#kind === 'ticket' ? { ticket: value } : { token: value };
  }

  socketAddress(value: string, subprotocols: readonly string[] = [JSON_SUBPROTOCOL]): SocketAddress {
    const url = this.#address(value).href;
    const bearer = this.#inHeader ? [BEARER_SUBPROTOCOL_PREFIX + value] : [];
    const first = this.#kind === 'token' && this.#via === 'message';
    return {
      url,
      protocols: [...subprotocols, ...bearer],
      ...(first && { firstMessage: this.authData(value) }),
    };
  }

  /** The attempt once more, with what it carried: a first message comes later, and its server may take none. */
  dryRun(value: string): HttpRequest {
    return this.request(this.#address(value), this.#inHeader ? value : '');
  }

  /** A request to the same server, with a bearer where there is one. */
  request(url: URL, bearer = ''): HttpRequest {
    const address = new URL(url);
    address.protocol = url.protocol.replace('ws', 'http');
    return {
      url: address.href,
      headers: bearer ? { authorization: `Bearer ${bearer}` } : {},
      credentials: this.#kind === 'cookie' ? 'include' : 'same-origin',
    };
  }

  get #inHeader(): boolean {
    return this.#kind === 'token' && this.#via === 'subprotocol';
  }

  #address(value: string): URL {
    const url = new URL(this.#url);
    if (this.#kind === 'ticket') url.searchParams.set('ticket', value);
    if (this.#kind === 'token' && this.#via === 'query') url.searchParams.set('token', value);
    return url;
  }
}

function socketUrl(address: string | URL): URL {
  const page: Location | undefined = globalThis.location;
  const url = new URL(address, page?.href);
  if (url.protocol === 'http:') url.protocol = 'ws:';
  if (url.protocol === 'https:') url.protocol = 'wss:';
  if (!url.protocol.startsWith('ws')) throw new TypeError('The address must be ws:, wss:, http: or https:');
  url.hash = '';
  return url;
}

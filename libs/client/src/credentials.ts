import { BEARER_SUBPROTOCOL_PREFIX } from '@aerie/protocol';
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

/** What `$auth` carries. */
export type AuthData = { readonly token: string } | { readonly ticket: string };

interface SocketAddress {
  readonly url: string;
  readonly protocols: string[];
  /** Present where the first message has to be `$auth`. */
  readonly firstMessage?: AuthData | false;
}

/** Knows every place a credential may stand in: address, subprotocol, first message, and the headers of the dry run. */
export class Credentials {
  readonly url: URL;
  /** Whether `$auth` can renew a session; a cookie is renewed by opening again. */
  readonly renewable: boolean;
  /** A ticket serves once: the dry run after a failed open needs another. */
  readonly singleUse: boolean;
  /** The token that was obtained last; empty for tickets and cookies. */
  bearer = '';
  readonly #via: TokenVia | undefined;
  readonly #fetchValue: () => string | Promise<string>;

  /** @throws TypeError for something that is no URL. */
  constructor(url: string | URL, { token, ticket, tokenVia = 'message' }: CredentialOptions) {
    this.url = socketUrl(url);
    this.singleUse = !token && !!ticket;
    this.#via = token && tokenVia;
    this.#fetchValue = token ?? ticket ?? (() => '');
    this.renewable = !!(token ?? ticket);
  }

  async obtain(): Promise<string> {
    // Not at once: who is asked may close the client, which must be able to end what asks.
    const value = await Promise.resolve().then(this.#fetchValue);
    if (this.#via) this.bearer = value;
    return value;
  }

  authData(value: string): AuthData {
    return this.singleUse ? { ticket: value } : { token: value };
  }

  socketAddress(value: string, subprotocols: readonly string[]): SocketAddress {
    const bearer = this.#via === 'subprotocol' ? [BEARER_SUBPROTOCOL_PREFIX + value] : [];
    return {
      url: this.#address(value).href,
      protocols: [...subprotocols, ...bearer],
      firstMessage: this.#via === 'message' && this.authData(value),
    };
  }

  /** The attempt once more, with what it carried: a first message comes later, and its server may take none. */
  dryRun(value: string): HttpRequest {
    return this.request(this.#address(value), this.#via === 'subprotocol' ? value : '');
  }

  /** A request to the same server, with a bearer where there is one. */
  request(url: URL, bearer = ''): HttpRequest {
    return {
      url: url.href.replace(/^ws/, 'http'),
      headers: bearer ? { authorization: `Bearer ${bearer}` } : {},
      credentials: this.renewable ? 'same-origin' : 'include',
    };
  }

  #address(value: string): URL {
    const url = new URL(this.url);
    const name = this.singleUse ? 'ticket' : this.#via === 'query' && 'token';
    if (name) url.searchParams.set(name, value);
    return url;
  }
}

function socketUrl(address: string | URL): URL {
  const page: Location | undefined = globalThis.location;
  const url = new URL(address, page?.href);
  url.protocol = url.protocol.replace('http', 'ws');
  if (!/^wss?:/.test(url.protocol)) throw new TypeError('The address must be ws:, wss:, http: or https:');
  url.hash = '';
  return url;
}

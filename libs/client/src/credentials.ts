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

/** The way a credential takes. */
type Way = TokenVia | 'ticket' | 'cookie';

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
  readonly #way: Way;
  readonly #fetchValue: () => string | Promise<string>;
  #latest = '';

  /** @throws TypeError for something that is no URL. */
  constructor(url: string | URL, options: CredentialOptions) {
    this.#url = socketUrl(url);
    this.#way = options.token ? (options.tokenVia ?? 'message') : options.ticket ? 'ticket' : 'cookie';
    this.#fetchValue = options.token ?? options.ticket ?? (() => '');
  }

  get url(): URL {
    return new URL(this.#url);
  }

  /** The token that was obtained last; empty for tickets and cookies. */
  get bearer(): string {
    return this.singleUse ? '' : this.#latest;
  }

  /** Whether `$auth` can renew a session; a cookie is renewed by opening again. */
  get renewable(): boolean {
    return this.#way !== 'cookie';
  }

  /** A ticket serves once: the dry run after a failed open needs another. */
  get singleUse(): boolean {
    return this.#way === 'ticket';
  }

  async obtain(): Promise<string> {
    return (this.#latest = await this.#fetchValue());
  }

  authData(value: string): AuthData {
    return this.singleUse ? { ticket: value } : { token: value };
  }

  socketAddress(value: string, subprotocols: readonly string[] = [JSON_SUBPROTOCOL]): SocketAddress {
    const url = this.#address(value).href;
    const bearer = this.#way === 'subprotocol' ? [BEARER_SUBPROTOCOL_PREFIX + value] : [];
    const first = this.#way === 'message';
    return {
      url,
      protocols: [...subprotocols, ...bearer],
      ...(first && { firstMessage: this.authData(value) }),
    };
  }

  /** The attempt once more, with what it carried: a first message comes later, and its server may take none. */
  dryRun(value: string): HttpRequest {
    return this.request(this.#address(value), this.#way === 'subprotocol' ? value : '');
  }

  /** A request to the same server, with a bearer where there is one. */
  request(url: URL, bearer = ''): HttpRequest {
    const address = new URL(url);
    address.protocol = url.protocol.replace('ws', 'http');
    return {
      url: address.href,
      headers: bearer ? { authorization: `Bearer ${bearer}` } : {},
      credentials: this.renewable ? 'same-origin' : 'include',
    };
  }

  #address(value: string): URL {
    const url = new URL(this.#url);
    if (this.singleUse) url.searchParams.set('ticket', value);
    if (this.#way === 'query') url.searchParams.set('token', value);
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

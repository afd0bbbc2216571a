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
export type AuthData = Readonly<Partial<Record<'token' | 'ticket', string>>>;

/** Who is connecting, and how the server is told. */
export interface Credentials {
  readonly url: URL;
  /** Of what is obtained. A ticket serves once. */
  readonly name: 'token' | 'ticket';
  /** Undefined: there is none, and the browser's cookie says it, which `$auth` can't renew. */
  readonly via: TokenVia | undefined;
  obtain(): Promise<string>;
  authData(value: string): AuthData;
}

/** @throws TypeError for something that is no address of a server. */
export function createCredentials(
  address: string | URL,
  { token, ticket, tokenVia = 'message' }: CredentialOptions,
): Credentials {
  const url = new URL(address, (globalThis.location as Location | undefined)?.href);
  url.protocol = url.protocol.replace('http', 'ws');
  if (!/^wss?:/.test(url.protocol)) throw new TypeError('Invalid URL');
  url.hash = '';
  const name = ticket ? 'ticket' : 'token';
  const via = token ? tokenVia : ticket && 'query';
  return {
    url,
    name,
    via,
    // Not at once: who is asked may close the client, which must be able to end what asks.
    obtain: () => Promise.resolve().then(token ?? ticket ?? (() => '')),
    authData: (value) => ({ [name]: value }),
  };
}

import type { IncomingMessage } from 'node:http';
import { BEARER_SUBPROTOCOL_PREFIX } from '@aerie/protocol';
import { headerValues, queryOf } from '../http/request-target.js';
import { Refusal } from '../refusal.js';
import type { Credential, CredentialSource } from './authenticator.js';
import { unauthenticated } from './refusals.js';
import { cookieValues } from './request-fields.js';

export { parseCookies, parseQuery } from './request-fields.js';

/** The longest token or ticket that anyone looks at. */
export const MAX_CREDENTIAL_BYTES = 8 * 1024;
// RFC 6750's b64token: what a bearer may consist of, JWTs and tickets included.
const BEARER_TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;

export interface CredentialOptions {
  /** The cookie that may carry a bearer token; without it cookies are not looked at. */
  readonly cookieName?: string | undefined;
  /**
   * Leaves an `Authorization` of another scheme (Basic, say) to the application's own guard or authenticator: the header
   * still decides, there is only no credential for us in it. Default false: it is refused.
   */
  readonly otherSchemes?: boolean;
}

type Place = readonly [
  source: CredentialSource,
  valuesIn: (request: IncomingMessage, options: CredentialOptions) => readonly string[],
];

/** Where a credential may stand, the strongest place first. */
const PLACES: readonly Place[] = [
  ['header', (request) => authorizationsOf(request).map(bearerOf)],
  ['subprotocol', bearerSubprotocols],
  ['cookie', (request, { cookieName }) => (cookieName ? cookieValues(request, cookieName) : [])],
  ['ticket', (request) => queryOf(request).getAll('ticket')],
  ['query', (request) => queryOf(request).getAll('token')],
];

/**
 * The credential on a request. The first place that has one decides, however bad it is: a fall-through would let whoever
 * controls a weaker place choose the identity. One that comes twice is refused, as two readers may pick different ones.
 */
export function findCredential(
  request: IncomingMessage,
  options: CredentialOptions = {},
): Credential | Refusal | undefined {
  if (options.otherSchemes && usesAnotherScheme(request)) return undefined;
  for (const [source, valuesIn] of PLACES) {
    const values = valuesIn(request, options);
    if (values.length > 0) return onlyOne(source, values);
  }
  return undefined;
}

/**
 * Copies a bearer found elsewhere to `Authorization`, where passport and existing HTTP guards look for it. A ticket is no
 * bearer: it is not copied, and no earlier bearer stays to speak in its place.
 */
export function exposeBearer(request: IncomingMessage, { source, value }: Credential): void {
  if (source === 'ticket') delete request.headers.authorization;
  else if (source !== 'header') request.headers.authorization = `Bearer ${value}`;
}

/** Checks the form of a token or ticket; what it is worth is for others to say. */
export function credentialOf(source: CredentialSource, value: string): Credential | Refusal {
  if (value.length > MAX_CREDENTIAL_BYTES) return unauthenticated('credential_too_long');
  if (!BEARER_TOKEN.test(value)) return unauthenticated('malformed_credential');
  return { source, value };
}

function onlyOne(source: CredentialSource, [value = '', ...more]: readonly string[]): Credential | Refusal {
  return more.length > 0 ? unauthenticated('repeated_credential') : credentialOf(source, value);
}

// Node drops all but the first Authorization from `headers`, and `exposeBearer` writes there: the raw headers have what was sent.
function authorizationsOf(request: IncomingMessage): readonly string[] {
  return headerValues(request, 'authorization');
}

function bearerOf(authorization: string): string {
  return /^bearer +(\S.*)$/i.exec(authorization)?.[1] ?? '';
}

function usesAnotherScheme(request: IncomingMessage): boolean {
  const [only, ...more] = authorizationsOf(request);
  return only !== undefined && more.length === 0 && !/^bearer(?:\s|$)/i.test(only);
}

function bearerSubprotocols(request: IncomingMessage): readonly string[] {
  const offers = headerValues(request, 'sec-websocket-protocol').join(',').split(',');
  return offers
    .map((offer) => offer.trim())
    .filter((offer) => offer.startsWith(BEARER_SUBPROTOCOL_PREFIX))
    .map((offer) => offer.slice(BEARER_SUBPROTOCOL_PREFIX.length));
}

import { IncomingMessage, ServerResponse } from 'node:http';
import { pathOf } from '../http/request-target.js';
import { parseCookies, parseQuery } from './request-fields.js';
import type { HandshakeRequest } from './authenticator.js';

/** What the application's HTTP platform puts on its requests: Express' prototypes; Fastify has none to give. */
export interface Platform {
  readonly request?: object;
  readonly response?: object;
}

export interface RequestParts {
  readonly ip: string;
  readonly params: Readonly<Record<string, string>>;
  readonly platform: Platform;
}

const PARTS = Symbol('aerie:request-parts');

interface PreparedRequest extends IncomingMessage {
  [PARTS]: RequestParts;
}

/** What guards find on a request, worked out when one looks. */
const FIELDS: Readonly<Record<string, (request: PreparedRequest) => unknown>> = {
  ip: (request) => request[PARTS].ip,
  params: (request) => ({ ...request[PARTS].params }),
  query: parseQuery,
  cookies: parseCookies,
  path: pathOf,
  originalUrl: (request) => request.url ?? '/',
  body: () => undefined,
  raw: (request) => request,
};

const prototypes = new WeakMap<object, object>();

/** Makes of a bare upgrade request what guards expect of an HTTP request. */
export function prepareRequest(request: IncomingMessage, parts: RequestParts): HandshakeRequest {
  Object.setPrototypeOf(request, prototypeOn(parts.platform.request ?? IncomingMessage.prototype));
  Object.defineProperty(request, PARTS, { value: parts, configurable: true });
  return request as HandshakeRequest;
}

// One prototype for all: a connection keeps its request, and fields of its own on each would cost it a kilobyte.
function prototypeOn(base: object): object {
  const known = prototypes.get(base);
  if (known !== undefined) return known;
  const prototype: object = Object.create(base) as object;
  for (const [name, read] of Object.entries(FIELDS))
    Object.defineProperty(prototype, name, field(name, read));
  prototypes.set(base, prototype);
  return prototype;
}

/** A field that is read once, and is the request's own from then on, as guards may write to it. */
function field(name: string, read: (request: PreparedRequest) => unknown): PropertyDescriptor {
  return {
    get(this: PreparedRequest) {
      const value = read(this);
      settle(this, name, value);
      return value;
    },
    set(this: PreparedRequest, value: unknown) {
      settle(this, name, value);
    },
    configurable: true,
    enumerable: false,
  };
}

function settle(request: object, name: string, value: unknown): void {
  Object.defineProperty(request, name, { value, writable: true, configurable: true, enumerable: false });
}

/** A response on which a guard may say no by itself; unattached until something is to be written. */
export function prepareResponse(request: IncomingMessage, platform: Platform): ServerResponse {
  return adoptResponse(request, new ServerResponse(request), platform);
}

/** Makes of any response to a prepared request what guards of the platform expect of theirs. */
export function adoptResponse(
  request: IncomingMessage,
  response: ServerResponse,
  platform: Platform,
): ServerResponse {
  Object.defineProperty(response, 'req', { value: request, writable: true, configurable: true });
  if (platform.response === undefined) return response;
  Object.setPrototypeOf(response, platform.response);
  linkBack(request, response);
  return response;
}

// Express' `json()` asks the request whether what the client has is fresh, and that asks the response. Weakly: the request
// lives as long as its connection, the response should not.
function linkBack(request: IncomingMessage, response: ServerResponse): void {
  const answer = new WeakRef(response);
  Object.defineProperty(request, 'res', { get: () => answer.deref(), configurable: true, enumerable: false });
}

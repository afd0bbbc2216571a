import { type IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Transport } from '../connections/wire.js';
import { distinctHeaders, pathOf } from '../http/request-target.js';
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
  readonly transport: Transport;
}

const PARTS = Symbol('aerie:request-parts');
const RESPONSE = Symbol('aerie:response');

interface PreparedRequest extends IncomingMessage {
  [PARTS]: RequestParts;
  [RESPONSE]?: WeakRef<ServerResponse>;
}

/** What guards find on a request, worked out when one looks. */
const FIELDS: Readonly<Record<string, (request: PreparedRequest) => unknown>> = {
  ip: (request) => request[PARTS].ip,
  params: (request) => ({ ...request[PARTS].params }),
  transport: (request) => request[PARTS].transport,
  query: parseQuery,
  cookies: parseCookies,
  path: pathOf,
  headersDistinct: distinctHeaders,
  originalUrl: (request) => request.url ?? '/',
  body: () => undefined,
  raw: (request) => request,
};

/** A class whose instances have a platform's prototype below ours. */
type ClassOn = (new () => object) & { readonly prototype: object };
const classes = new WeakMap<object, ClassOn>();

/** Makes of a bare HTTP request what guards expect of one that the platform has prepared. */
export function prepareRequest(
  bare: IncomingMessage,
  parts: RequestParts,
  platform: Platform,
): HandshakeRequest {
  Object.setPrototypeOf(bare, requestOn(platform).prototype);
  const request = bare as HandshakeRequest & PreparedRequest;
  request[PARTS] = parts;
  return request;
}

/**
 * The request of an upgrade as its connection keeps it: what was asked, and on which socket. An upgrade has no body, and
 * without the machinery of a stream it is a tenth of the bare request in memory, which can be let go.
 */
export function requestOfUpgrade(
  bare: IncomingMessage,
  parts: RequestParts,
  platform: Platform,
): HandshakeRequest {
  const request: object = Reflect.construct(UpgradeRequest, [bare, parts], requestOn(platform));
  return request as HandshakeRequest;
}

class UpgradeRequest {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly httpVersion: string;
  readonly httpVersionMajor: number;
  readonly httpVersionMinor: number;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: string[];
  readonly socket: Socket;
  readonly complete = true;
  readonly [PARTS]: RequestParts;

  constructor(bare: IncomingMessage, parts: RequestParts) {
    this.method = bare.method;
    this.url = bare.url;
    this.httpVersion = bare.httpVersion;
    this.httpVersionMajor = bare.httpVersionMajor;
    this.httpVersionMinor = bare.httpVersionMinor;
    this.headers = bare.headers;
    this.rawHeaders = bare.rawHeaders;
    this.socket = bare.socket;
    this[PARTS] = parts;
  }
}

// One prototype for all: a connection keeps its request, and fields of its own on each would cost it a kilobyte.
function requestOn({ request: base = IncomingMessage.prototype }: Platform): ClassOn {
  return classOn(base, (prototype) => {
    for (const [name, read] of Object.entries(FIELDS))
      Object.defineProperty(prototype, name, field(name, read));
    Object.defineProperty(prototype, 'res', RESPONSE_FIELD);
  });
}

function classOn(base: object, complete?: (prototype: object) => void): ClassOn {
  const known = classes.get(base);
  if (known !== undefined) return known;
  const made: ClassOn = class {};
  Object.setPrototypeOf(made.prototype, base);
  complete?.(made.prototype);
  classes.set(base, made);
  return made;
}

// Express' `json()` asks the request whether what the client has is fresh, and that asks the response. Weakly: the request
// lives as long as its connection, the response should not.
const RESPONSE_FIELD: PropertyDescriptor = {
  get(this: PreparedRequest) {
    return this[RESPONSE]?.deref();
  },
  configurable: true,
  enumerable: false,
};

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
export function prepareResponse(request: IncomingMessage, { response: base }: Platform): ServerResponse {
  if (base === undefined) return new ServerResponse(request);
  // Made with the platform's prototype: a change of prototypes behind it would slow down everything that it is asked.
  const response = Reflect.construct(ServerResponse, [request], classOn(base));
  (request as PreparedRequest)[RESPONSE] = new WeakRef(response);
  return response;
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
  (request as PreparedRequest)[RESPONSE] = new WeakRef(response);
  return response;
}

import { type IncomingMessage, ServerResponse } from 'node:http';
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

/** Makes of a bare upgrade request what guards expect of an HTTP request. */
export function prepareRequest(
  request: IncomingMessage,
  { ip, params, platform }: RequestParts,
): HandshakeRequest {
  if (platform.request !== undefined) Object.setPrototypeOf(request, platform.request);
  const url = request.url ?? '/';
  const fields = {
    ip,
    params: { ...params },
    query: parseQuery(request),
    cookies: parseCookies(request),
    path: pathOf(request),
    originalUrl: url,
    body: undefined,
    raw: request,
  };
  for (const [name, value] of Object.entries(fields))
    Object.defineProperty(request, name, { value, writable: true, configurable: true, enumerable: false });
  return request as HandshakeRequest;
}

/** A response on which a guard may say no by itself; unattached until something is to be written. */
export function prepareResponse(request: IncomingMessage, platform: Platform): ServerResponse {
  const response = new ServerResponse(request);
  if (platform.response !== undefined) Object.setPrototypeOf(response, platform.response);
  Object.defineProperty(response, 'req', { value: request, writable: true, configurable: true });
  return response;
}

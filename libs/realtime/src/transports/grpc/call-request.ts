import { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { GrpcCall } from './grpc-call.js';

const TICKET = 'aerie-ticket';
/** gRPC's own, which no guard asks for. */
const OWN = new Set(['te', 'content-type', TICKET]);

/**
 * A call as the HTTP request that guards and authenticators expect: its metadata are the headers, and it asks for `path`. A
 * ticket stands in the query, as on an upgrade.
 */
export function requestOfCall({ stream, headers, rawHeaders }: GrpcCall, path: string): IncomingMessage {
  // The session's stand-in for its socket knows addresses and certificates; what would disturb the session throws.
  const request = new IncomingMessage(stream.session?.socket as Socket);
  request.method = 'GET';
  request.httpVersion = '2.0';
  request.httpVersionMajor = 2;
  request.httpVersionMinor = 0;
  const tickets = valuesOf(rawHeaders, TICKET).map((ticket) => `ticket=${encodeURIComponent(ticket)}`);
  request.url = tickets.length === 0 ? path : `${path}?${tickets.join('&')}`;
  const authority = headers[':authority'];
  if (authority !== undefined) request.headers.host = authority;
  for (const [name, value] of Object.entries(headers))
    if (isMetadata(name) && value !== undefined) request.headers[name] = value;
  request.rawHeaders = authority === undefined ? [] : ['host', authority];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = rawHeaders.slice(at, at + 2);
    if (isMetadata(name)) request.rawHeaders.push(name, value);
  }
  return request;
}

function isMetadata(name: string): boolean {
  return !name.startsWith(':') && !OWN.has(name);
}

function valuesOf(rawHeaders: readonly string[], name: string): string[] {
  return rawHeaders.filter((_value, index) => index % 2 === 1 && rawHeaders[index - 1] === name);
}

import type { IncomingMessage } from 'node:http';
import { BEARER_SUBPROTOCOL_PREFIX, SUBPROTOCOLS } from '@aerie/protocol';
import { Refusal } from '../../refusal.js';

const KEY = /^[+/0-9A-Za-z]{22}==$/;
/** A token of RFC 9110. */
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;
const AERIE = /^aerie\.v\d+\./;

/** What RFC 6455 asks of an upgrade request; undefined where it is one. */
export function malformedUpgrade(request: IncomingMessage): Refusal | undefined {
  if (request.method !== 'GET') return new Refusal('invalid', 'an upgrade must be a GET');
  if (request.httpVersionMajor === 1 && request.httpVersionMinor === 0)
    return new Refusal('invalid', 'an upgrade needs HTTP/1.1');
  if (request.headers.upgrade?.toLowerCase() !== 'websocket')
    return new Refusal('invalid', 'not a WebSocket upgrade');
  const key = request.headers['sec-websocket-key'];
  if (key === undefined || !KEY.test(key))
    return new Refusal('invalid', 'Sec-WebSocket-Key is missing or malformed');
  const version = request.headers['sec-websocket-version'];
  if (version !== '13' && version !== '8')
    return new Refusal('invalid', 'WebSocket version 13 is needed', { status: 426, reason: 'version' });
  if (hasBody(request)) return new Refusal('invalid', 'an upgrade has no body');
  return malformedSubprotocols(request);
}

// Node leaves its bytes in front of the first frame, while a proxy would have them belong to the request.
function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

// `ws` would find out too, but only after a ticket is used up. A token offered twice is for the credentials to refuse.
function malformedSubprotocols({ headers }: IncomingMessage): Refusal | undefined {
  const offered = headers['sec-websocket-protocol']?.split(',').map((name) => name.trim()) ?? [];
  const names = offered.filter((name) => !name.startsWith(BEARER_SUBPROTOCOL_PREFIX));
  return offered.every((name) => TOKEN.test(name)) && new Set(names).size === names.length
    ? undefined
    : new Refusal('invalid', 'Sec-WebSocket-Protocol is malformed');
}

/**
 * The subprotocol to answer with: the best version of ours that was offered; else the first that is none of ours (gateways
 * written for Nest's ws adapter may have their own); a token is echoed only where nothing else was offered.
 */
export function selectSubprotocol(offered: ReadonlySet<string>): string | false {
  for (const ours of SUBPROTOCOLS) if (offered.has(ours)) return ours;
  const others = [...offered].filter((name) => !name.toLowerCase().startsWith(BEARER_SUBPROTOCOL_PREFIX));
  const foreign = others.find((name) => !AERIE.test(name));
  if (foreign !== undefined) return foreign;
  const [token] = offered;
  return others.length === 0 && token?.startsWith(BEARER_SUBPROTOCOL_PREFIX) === true ? token : false;
}

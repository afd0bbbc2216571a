import type { PerMessageDeflateOptions } from 'ws';
import { WINDOW_BITS } from './deflate.js';
import { ServerSocket } from './server-socket.js';

const EXTENSION = 'permessage-deflate';
const PARAMETER =
  /^(?:(?:client|server)_no_context_takeover|client_max_window_bits(?:=(?:[89]|1[0-5]))?|server_max_window_bits=(\d{1,2}))$/;
const MAX_WINDOW_BITS = 15;

/** How `ws` answers an offer, and inflates: each message by itself, at most ten at a time. */
export const DEFLATE: PerMessageDeflateOptions = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  concurrencyLimit: 10,
  zlibInflateOptions: { chunkSize: 4 * 1024 },
};

/** Whether a client offers compression, and nothing that we can't do. `ws` would refuse a malformed offer, too late for a proper answer. */
export function offersDeflate(header: string | undefined): boolean {
  return header !== undefined && header.split(',').every(isPossible);
}

function isPossible(offer: string): boolean {
  const [name, ...parameters] = offer.split(';').map((part) => part.trim());
  const names = parameters.map((parameter) => parameter.split('=', 1)[0]);
  return name === EXTENSION && new Set(names).size === names.length && parameters.every(isUnderstood);
}

function isUnderstood(parameter: string): boolean {
  const match = PARAMETER.exec(parameter);
  if (match === null) return false;
  const bits = Number(match[1] ?? MAX_WINDOW_BITS);
  return bits >= WINDOW_BITS && bits <= MAX_WINDOW_BITS;
}

interface Inflating {
  readonly _extensions?: Readonly<Record<string, { cleanup(): void }>>;
}

/** A socket that negotiated compression. `ws` would keep its inflater, 10 to 40 KB, for as long as it is open; here it goes with the message. */
export class CompressedSocket extends ServerSocket {
  override emit(event: string | symbol, ...args: unknown[]): boolean {
    if (event === 'message') (this as Inflating)._extensions?.[EXTENSION]?.cleanup();
    return super.emit(event, ...args);
  }
}

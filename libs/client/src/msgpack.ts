import { Bytes, JSON_SUBPROTOCOL, mayHoldBytes, MSGPACK_SUBPROTOCOL, reviveBytes } from '@aerie/protocol';
import { decode, encode } from '@msgpack/msgpack';
import type { Codec, Encoded } from './codec.js';

export type { Codec, Encoded } from './codec.js';

const CODEC: Codec = {
  subprotocols: [MSGPACK_SUBPROTOCOL, JSON_SUBPROTOCOL],
  encode: (message) => encode(plain(message), { ignoreUndefined: true }),
  translate: (encoded, subprotocol) =>
    typeof encoded === 'string' || subprotocol === MSGPACK_SUBPROTOCOL ? encoded : jsonOf(decode(encoded)),
  decode: (data) => (typeof data === 'string' ? parse(data) : decode(data as ArrayBuffer)),
};

/**
 * Frames in MessagePack, so that a `Uint8Array` in a message's data goes as it is and comes as one; everything else is
 * written as `JSON.stringify` would have it. With a server that speaks only JSON, frames are JSON, with bytes in base64.
 */
export function msgpack(): Codec {
  return CODEC;
}

function parse(text: string): unknown {
  const value: unknown = JSON.parse(text);
  return mayHoldBytes(text) ? reviveBytes(value) : value;
}

function jsonOf(value: unknown): Encoded {
  return JSON.stringify(value, (_key, field: unknown) =>
    field instanceof Uint8Array ? new Bytes(field).toJSON() : field,
  );
}

/** What JSON would make of a value, bytes apart. Without this a Date, say, would be of a type that no server reads. */
function plain(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value === 'function' || typeof value === 'symbol') return undefined;
  return typeof value === 'object' && value !== null ? plainObject(value) : value;
}

function plainObject(value: object): unknown {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if ('toJSON' in value && typeof value.toJSON === 'function') return plain(value.toJSON());
  if (Array.isArray(value)) return value.map((item) => plain(item) ?? null);
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key.toWellFormed(), plain(field)]));
}

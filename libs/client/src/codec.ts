import { JSON_SUBPROTOCOL } from '@aerie/protocol';

/** A frame on its way: text, or what goes into a binary frame. */
export type Encoded = string | Uint8Array<ArrayBuffer>;

/** How frames are written and read. The default is JSON; `msgpack()` of `@aerie/client/msgpack` is another. */
export interface Codec {
  /** The WebSocket subprotocols that it speaks, best first. The server chooses one. */
  readonly subprotocols: readonly string[];
  /** Writes a message for the best of them. @throws for what can't be written. */
  encode(message: object): Encoded;
  /** Writes anew what `encode` wrote, for the one that the server chose; empty or undefined for none. */
  translate(encoded: Encoded, subprotocol: string | undefined): Encoded;
  /** Reads what a socket received. @throws for what is no frame. */
  decode(data: unknown): unknown;
}

export const JSON_CODEC: Codec = {
  subprotocols: [JSON_SUBPROTOCOL],
  encode: JSON.stringify,
  translate: (encoded) => encoded,
  decode: JSON.parse,
};

/** How much of a frame an encoded message fills. */
export function byteLength(encoded: Encoded): number {
  return (typeof encoded === 'string' ? new TextEncoder().encode(encoded) : encoded).length;
}

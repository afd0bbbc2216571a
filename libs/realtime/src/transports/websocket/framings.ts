import { MSGPACK_SUBPROTOCOL } from '@aerie/protocol';
import type { Framing } from '../../connections/wire.js';
import { deflated } from './deflate.js';
import { binaryFrame, compressedFrame, textFrame } from './frame.js';
import { msgpackOf } from './msgpack-payload.js';

export interface CompressionOptions {
  /** Frames below this are sent as they are. Bytes, default 1,024. */
  readonly thresholdBytes?: number | undefined;
}

/** What is spoken where nothing was negotiated. */
export const PLAIN_JSON: Framing = { name: 'websocket:json', frame: textFrame, binary: binaryFrame };

const PLAIN_MSGPACK: Framing = {
  name: 'websocket:msgpack',
  frame: (json) => framed(msgpackMessage(json)),
  binary: binaryFrame,
};

/** The framings of a node's WebSockets: one for each subprotocol, plain and compressed, so that all with the same share bytes. */
export class Framings {
  readonly #compressedJson: Framing;
  readonly #compressedMsgpack: Framing;
  /** Whether clients that offer compression get it. */
  readonly compresses: boolean;

  constructor(compression?: CompressionOptions) {
    this.compresses = compression !== undefined;
    const { thresholdBytes = 1_024 } = compression ?? {};
    const compressed = (message: Message): Buffer => {
      const { payload, isBinary } = message;
      const bytes = payload.byteLength < thresholdBytes ? undefined : deflated(payload);
      return bytes === undefined ? framed(message) : compressedFrame(bytes, isBinary);
    };
    this.#compressedJson = {
      name: 'websocket:json:deflate',
      frame: (payload) => compressed({ payload, isBinary: false }),
      binary: binaryFrame,
    };
    this.#compressedMsgpack = {
      name: 'websocket:msgpack:deflate',
      frame: (json) => compressed(msgpackMessage(json)),
      binary: binaryFrame,
    };
  }

  /** The framing of a connection, by what its upgrade negotiated. */
  of(subprotocol: string, compressed: boolean): Framing {
    if (subprotocol === MSGPACK_SUBPROTOCOL) return compressed ? this.#compressedMsgpack : PLAIN_MSGPACK;
    return compressed ? this.#compressedJson : PLAIN_JSON;
  }
}

interface Message {
  readonly payload: Uint8Array;
  readonly isBinary: boolean;
}

// What is no JSON a gateway has sent its client by itself, and knows why.
function msgpackMessage(json: Uint8Array): Message {
  const payload = msgpackOf(json);
  return payload === undefined ? { payload: json, isBinary: false } : { payload, isBinary: true };
}

function framed({ payload, isBinary }: Message): Buffer {
  return isBinary ? binaryFrame(payload) : textFrame(payload);
}

import { MSGPACK_SUBPROTOCOL } from '@aerie/protocol';
import type { Framing } from '../../connections/wire.js';
import { binaryFrame, textFrame } from './frame.js';
import { msgpackOf } from './msgpack-payload.js';

/** What is spoken where nothing was negotiated. */
export const PLAIN_JSON: Framing = { name: 'websocket:json', frame: textFrame, binary: binaryFrame };

const PLAIN_MSGPACK: Framing = {
  name: 'websocket:msgpack',
  frame: (json) => framed(msgpackMessage(json)),
  binary: binaryFrame,
};

/** The framing of a connection, by the subprotocol that its upgrade negotiated. */
export function framingOf(subprotocol: string): Framing {
  return subprotocol === MSGPACK_SUBPROTOCOL ? PLAIN_MSGPACK : PLAIN_JSON;
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

import { decodeMessage, type Decoded, MSGPACK_SUBPROTOCOL, noMessage, readMessage } from '@aerie/protocol';
import { readMsgpack } from './msgpack-reader.js';

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** Reads one frame of a client. Never throws. */
export type FrameDecoder = (data: Buffer, isBinary: boolean) => Decoded;

/** What reads the frames of a connection, by the subprotocol that its transport negotiated. */
export function decoderOf(subprotocol: string): FrameDecoder {
  return subprotocol === MSGPACK_SUBPROTOCOL ? decodeMsgpack : decodeJson;
}

// Nest's ws adapter takes JSON in binary frames too; anything else in them is a bad frame.
function decodeJson(data: Buffer, isBinary: boolean): Decoded {
  if (!isBinary) return decodeMessage(data.toString('utf8'));
  try {
    return decodeMessage(UTF8.decode(data));
  } catch {
    return noMessage('not UTF-8');
  }
}

function decodeMsgpack(data: Buffer, isBinary: boolean): Decoded {
  if (!isBinary) return noMessage('a text frame, and not MessagePack');
  const read = readMsgpack(data);
  return read.ok ? readMessage(read.value) : noMessage(`not MessagePack of this protocol: ${read.fault}`);
}

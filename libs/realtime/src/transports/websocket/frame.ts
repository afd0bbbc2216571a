const FIN = 0x80;
/** Says that the payload is compressed (RFC 7692, section 6). */
const RSV1 = 0x40;
const TEXT = 0x1;
const BINARY = 0x2;
const PONG = 0xa;

/** A ping without payload: two bytes, the same for everyone. */
export const PING_FRAME: Buffer = Buffer.from([0x89, 0x00]);

/** One unfragmented, unmasked server frame (RFC 6455, section 5.2). */
function frame(opcode: number, payload: Uint8Array): Buffer {
  const length = payload.byteLength;
  const headerBytes = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const bytes = Buffer.allocUnsafe(headerBytes + length);
  bytes[0] = FIN | opcode;
  if (headerBytes === 2) bytes[1] = length;
  else if (headerBytes === 4) {
    bytes[1] = 126;
    bytes.writeUInt16BE(length, 2);
  } else {
    bytes[1] = 127;
    bytes.writeBigUInt64BE(BigInt(length), 2);
  }
  bytes.set(payload, headerBytes);
  return bytes;
}

export function textFrame(payload: Uint8Array): Buffer {
  return frame(TEXT, payload);
}

export function binaryFrame(payload: Uint8Array): Buffer {
  return frame(BINARY, payload);
}

export function pongFrame(payload: Uint8Array): Buffer {
  return frame(PONG, payload);
}

/** A frame whose payload is compressed already. */
export function compressedFrame(payload: Uint8Array, isBinary: boolean): Buffer {
  return frame(RSV1 | (isBinary ? BINARY : TEXT), payload);
}

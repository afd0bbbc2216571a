const MAX_BYTES = 65_535;

/** A final frame as a client sends it. Its mask is all zeros, which changes nothing and is allowed. At most 65,535 bytes. */
export function clientFrame(opcode: number, payload: Uint8Array): Buffer {
  const length = payload.byteLength;
  if (length > MAX_BYTES) throw new RangeError('longer than a test needs');
  const header = length < 126 ? [0x80 | length] : [0x80 | 126, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([0x80 | opcode, ...header, 0, 0, 0, 0]), payload]);
}

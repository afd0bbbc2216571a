/** A publication's frame with its offset, as it goes over the wire. Appended frames are JSON objects that have none yet. */
export function withOffset(frame: Uint8Array, offset: number): Buffer {
  return Buffer.concat([frame.subarray(0, -1), Buffer.from(`,"offset":${offset}}`)]);
}

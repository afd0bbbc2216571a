import { constants, deflateRawSync } from 'node:zlib';

/** The window of what we compress. Every peer that we compress for can hold one. */
export const WINDOW_BITS = 12;
/** Above this it would hold up the loop for too long: such frames go as they are. */
const MAX_BYTES = 256 * 1024;
/** What ends each flush, and every receiver puts back (RFC 7692, section 7.2.1). */
const TAIL_BYTES = 4;

const OPTIONS = {
  level: constants.Z_BEST_SPEED,
  memLevel: 7,
  windowBits: WINDOW_BITS,
  finishFlush: constants.Z_SYNC_FLUSH,
} as const;

/** A message's payload, compressed by itself; undefined where it is too large, or would not become smaller. */
export function deflated(payload: Uint8Array): Buffer | undefined {
  if (payload.byteLength > MAX_BYTES) return undefined;
  const bytes = deflateRawSync(payload, OPTIONS);
  const length = bytes.byteLength - TAIL_BYTES;
  return length < payload.byteLength ? bytes.subarray(0, length) : undefined;
}

import type { Position } from '@aerie/protocol';

/** What travels between nodes: a frame and, where its channel has history, its position. */
export interface Envelope {
  readonly frame: Uint8Array;
  readonly position?: Position;
}

const VERSION = 0x01;
const COMMA = 0x2c;
const SEMICOLON = 0x3b;
/** Where a reader stops looking for the `;`: an epoch, an offset and room for what a later version may add. */
const MAX_HEAD_BYTES = 256;
const NO_POSITION = Buffer.from([VERSION, COMMA, SEMICOLON]);
const EPOCH = /^[\x21-\x2b\x2d-\x3a\x3c-\x7e]{1,64}$/;
const OFFSET = /^(?:0|[1-9][0-9]{0,15})$/;

/**
 * Version byte `0x01`, then ASCII `<epoch>,<offset>;` (`,;` without history), then the frame's bytes, which nobody on the
 * way parses.
 *
 * A later version keeps this layout readable for one release: it may only add fields, each with a comma, behind the
 * offset, and gets a new version byte when it does more. So release N reads what N-1 wrote, and the other way round.
 *
 * @throws TypeError for an epoch that is not 1-64 printable ASCII characters without `,` and `;`.
 */
export function encodeEnvelope({ frame, position }: Envelope): Buffer {
  if (position === undefined) return Buffer.concat([NO_POSITION, frame]);
  if (!EPOCH.test(position.epoch))
    throw new TypeError('an epoch is 1-64 printable ASCII characters without , and ;');
  if (!Number.isSafeInteger(position.offset) || position.offset < 0)
    throw new TypeError('an offset is a whole number');
  const head = Buffer.from(`\u0001${position.epoch},${position.offset};`, 'latin1');
  return Buffer.concat([head, frame]);
}

/** Reads an envelope; undefined for bytes that are none. The frame is a view into `bytes`, not a copy. */
export function decodeEnvelope(bytes: Uint8Array): Envelope | undefined {
  if (bytes[0] !== VERSION) return undefined;
  const end = bytes.subarray(0, MAX_HEAD_BYTES).indexOf(SEMICOLON, 1);
  if (end < 0) return undefined;
  const [epoch = '', offset] = asciiOf(bytes.subarray(1, end)).split(',');
  const frame = bytes.subarray(end + 1);
  if (epoch === '' && offset === '') return { frame };
  if (offset === undefined || !EPOCH.test(epoch) || !OFFSET.test(offset)) return undefined;
  const position = { epoch, offset: Number(offset) };
  return Number.isSafeInteger(position.offset) ? { frame, position } : undefined;
}

function asciiOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

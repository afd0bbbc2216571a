// Browsers and Node have both; the protocol is compiled without the types of either.
declare function atob(text: string): string;
declare function btoa(text: string): string;

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
/** How many bytes are turned into characters at a time: a call takes only so many arguments. */
const CHUNK_BYTES = 8_192;
/** What stands in every JSON text that has bytes in it. */
const MARK = '"$bytes"';

/** Bytes as they stand in JSON: an object with this one field, in base64 (RFC 4648, section 4, padded). */
export interface BytesInJson {
  readonly $bytes: string;
}

/**
 * Bytes in a frame's data: binary to a peer that speaks MessagePack, `{"$bytes": "<base64>"}` in JSON. `new Bytes(buffer)`
 * copies what it is given; a bare Buffer or Uint8Array becomes what `JSON.stringify` makes of it.
 */
export class Bytes extends Uint8Array {
  toJSON(): BytesInJson {
    return { $bytes: toBase64(this) };
  }
}

/** Whether a JSON text can have bytes in it; cheap enough to be asked of each. */
export function mayHoldBytes(json: string): boolean {
  return json.includes(MARK);
}

/** Puts `Bytes` in the place of each `{"$bytes"}` in a parsed JSON value, which it changes. One that is not base64 stays. */
export function reviveBytes(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const fields = value as Record<string, unknown>;
  const bytes = bytesOf(fields);
  if (bytes !== undefined) return bytes;
  for (const key of Object.keys(fields)) fields[key] = reviveBytes(fields[key]);
  return fields;
}

function bytesOf(fields: Readonly<Record<string, unknown>>): Bytes | undefined {
  const { $bytes } = fields;
  if (typeof $bytes !== 'string' || Object.keys(fields).length !== 1) return undefined;
  return $bytes.length % 4 === 0 && BASE64.test($bytes) ? fromBase64($bytes) : undefined;
}

function toBase64(bytes: Uint8Array): string {
  let characters = '';
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES)
    characters += String.fromCharCode(...bytes.subarray(at, at + CHUNK_BYTES));
  return btoa(characters);
}

function fromBase64(text: string): Bytes {
  const characters = atob(text);
  const bytes = new Bytes(characters.length);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = characters.charCodeAt(at);
  return bytes;
}

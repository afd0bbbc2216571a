const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;
/** A varint of 64 bits has ten bytes at most. */
const MAX_VARINT_BYTES = 10;

/** A field as it was sent: a varint as a number, the rest as bytes. */
export interface ProtoField {
  readonly number: number;
  readonly value: number | Buffer;
}

/** Writes one message of Protocol Buffers. As proto3 has it, what is empty or 0 is left out. */
export class ProtoWriter {
  readonly #parts: Uint8Array[] = [];

  text(number: number, text: string | undefined): this {
    return text === undefined || text === '' ? this : this.message(number, Buffer.from(text));
  }

  number(number: number, value: number | undefined): this {
    if (value === undefined || value === 0) return this;
    this.#parts.push(varint(number * 8 + VARINT), varint(value));
    return this;
  }

  flag(number: number, flag: boolean | undefined): this {
    return this.number(number, flag === true ? 1 : 0);
  }

  /** Bytes, or a message: written where it is empty, too. */
  message(number: number, bytes: Uint8Array): this {
    this.#parts.push(varint(number * 8 + BYTES), varint(bytes.byteLength), bytes);
    return this;
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** The fields of a message in the order in which they were sent; undefined where the bytes are none. */
export function readFields(bytes: Buffer): readonly ProtoField[] | undefined {
  const fields: ProtoField[] = [];
  const cursor = { at: 0 };
  while (cursor.at < bytes.byteLength) {
    const key = readVarint(bytes, cursor);
    const value = key === undefined ? undefined : readValue(bytes, cursor, key % 8);
    if (key === undefined || value === undefined) return undefined;
    fields.push({ number: Math.floor(key / 8), value });
  }
  return fields;
}

/** A field's text; the last one counts. Empty where there is none. */
export function textOf(fields: readonly ProtoField[], number: number): string {
  const last = fields.findLast((field) => field.number === number)?.value;
  return Buffer.isBuffer(last) ? last.toString('utf8') : '';
}

/** All bytes that were sent for a field. */
export function bytesOf(fields: readonly ProtoField[], number: number): readonly Buffer[] {
  return fields.flatMap((field) =>
    field.number === number && Buffer.isBuffer(field.value) ? [field.value] : [],
  );
}

interface Cursor {
  at: number;
}

function readValue(bytes: Buffer, cursor: Cursor, type: number): number | Buffer | undefined {
  if (type === VARINT) return readVarint(bytes, cursor);
  const length = type === BYTES ? readVarint(bytes, cursor) : fixedLength(type);
  if (length === undefined || cursor.at + length > bytes.byteLength) return undefined;
  cursor.at += length;
  return bytes.subarray(cursor.at - length, cursor.at);
}

function fixedLength(type: number): number | undefined {
  if (type === FIXED64) return 8;
  return type === FIXED32 ? 4 : undefined;
}

function readVarint(bytes: Buffer, cursor: Cursor): number | undefined {
  let value = 0;
  for (let index = 0; index < MAX_VARINT_BYTES; index += 1) {
    const byte = bytes[cursor.at];
    if (byte === undefined) return undefined;
    cursor.at += 1;
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return value;
  }
  return undefined;
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

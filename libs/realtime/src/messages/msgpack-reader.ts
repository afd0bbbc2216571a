import { isUtf8 } from 'node:buffer';
import { Bytes, LIMITS } from '@aerie/protocol';

/** What a MessagePack frame says, or why it is refused: never with what it holds. */
export type MsgpackRead =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly fault: string };

const REPLACEMENT = '\ufffd';
const WORD = 2 ** 32;

/**
 * Reads one value that JSON could say too, bytes apart: maps with keys of text, 64 levels at most, whole numbers within
 * 2^53, no extension types, NaN or infinity. Nothing is allocated on a length's word alone. Bytes are copied out of `data`.
 * Never throws.
 */
export function readMsgpack(data: Buffer): MsgpackRead {
  try {
    return { ok: true, value: new MsgpackReader(data).whole() };
  } catch (error) {
    if (error instanceof Fault) return { ok: false, fault: error.message };
    throw error;
  }
}

class Fault extends Error {}

class MsgpackReader {
  readonly #data: Buffer;
  #at = 0;
  #depth = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  whole(): unknown {
    const value = this.#value();
    if (this.#at < this.#data.byteLength) throw new Fault('more than one value');
    return value;
  }

  #value(): unknown {
    const head = this.#unsigned(1);
    if (head < 0x80) return head;
    if (head < 0x90) return this.#map(head & 0x0f);
    if (head < 0xa0) return this.#array(head & 0x0f);
    if (head < 0xc0) return this.#text(head & 0x1f);
    return head < 0xe0 ? this.#headed(head) : head - 0x100;
  }

  // One case for each head of the specification's table.
  #headed(head: number): unknown {
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#bytes(this.#unsigned(1 << (head - 0xc4)));
      case 0xca:
        return finite(this.#data.readFloatBE(this.#take(4)));
      case 0xcb:
        return finite(this.#data.readDoubleBE(this.#take(8)));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#unsigned(1 << (head - 0xcc));
      case 0xcf:
        return safe(this.#unsigned(4) * WORD + this.#unsigned(4));
      case 0xd0:
      case 0xd1:
      case 0xd2:
        return this.#signed(1 << (head - 0xd0));
      case 0xd3:
        return safe(this.#signed(4) * WORD + this.#unsigned(4));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#unsigned(1 << (head - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#unsigned(2 << (head - 0xdc)));
      case 0xde:
      case 0xdf:
        return this.#map(this.#unsigned(2 << (head - 0xde)));
      default:
        throw new Fault('an extension type');
    }
  }

  #array(length: number): unknown[] {
    this.#enter(length);
    const items: unknown[] = [];
    for (let index = 0; index < length; index += 1) items.push(this.#value());
    this.#depth -= 1;
    return items;
  }

  #map(size: number): Record<string, unknown> {
    this.#enter(2 * size);
    const fields: Record<string, unknown> = {};
    for (let index = 0; index < size; index += 1) {
      const key = this.#value();
      // JSON could say it. Set on an object it would be the prototype.
      if (typeof key !== 'string' || key === '__proto__') throw new Fault('a key that is no field name');
      fields[key] = this.#value();
    }
    this.#depth -= 1;
    return fields;
  }

  // A value has a byte at least.
  #enter(values: number): void {
    this.#depth += 1;
    if (this.#depth > LIMITS.jsonDepth) throw new Fault(`deeper than ${LIMITS.jsonDepth}`);
    if (values > this.#data.byteLength - this.#at) throw new Fault('cut short');
  }

  #text(length: number): string {
    const start = this.#take(length);
    const text = this.#data.toString('utf8', start, start + length);
    if (text.includes(REPLACEMENT) && !isUtf8(this.#data.subarray(start, start + length)))
      throw new Fault('not UTF-8');
    return text;
  }

  #bytes(length: number): Bytes {
    const start = this.#take(length);
    return new Bytes(this.#data.subarray(start, start + length));
  }

  #unsigned(length: number): number {
    return this.#data.readUIntBE(this.#take(length), length);
  }

  #signed(length: number): number {
    return this.#data.readIntBE(this.#take(length), length);
  }

  #take(length: number): number {
    const start = this.#at;
    if (length > this.#data.byteLength - start) throw new Fault('cut short');
    this.#at += length;
    return start;
  }
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw new Fault('a number that JSON has not');
  return value;
}

function safe(value: number): number {
  if (!Number.isSafeInteger(value)) throw new Fault('a whole number beyond 2^53');
  return value;
}

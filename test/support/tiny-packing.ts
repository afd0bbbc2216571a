import { decode, encode, ExtData } from '@msgpack/msgpack';

/** What the part in MessagePack may get wrong. */
export type PackingFault =
  | 'prefers JSON'
  | 'answers in text'
  | 'takes text where it packs'
  | 'takes integer keys'
  | 'sends bytes as base64';

/** A frame as it goes out. */
export function packed(frame: object, fault?: string): Uint8Array {
  const text = JSON.stringify(frame);
  const value: unknown = fault === 'sends bytes as base64' ? JSON.parse(text) : JSON.parse(text, toBytes);
  return encode(value);
}

/** What came in, in JSON; where it is nothing that JSON can say, something else. */
export function unpacked(data: Uint8Array, fault?: string): string {
  try {
    const value = decode(new Uint8Array(data), {
      mapKeyConverter: (key) => keyOf(key, fault === 'takes integer keys'),
    });
    return isSayable(value) ? JSON.stringify(value, toBase64) : 'what JSON can not say';
  } catch {
    return 'what is no MessagePack';
  }
}

function keyOf(key: unknown, isAny: boolean): string {
  if (typeof key === 'string') return key;
  if (isAny) return String(key);
  throw new TypeError('a key that is no string');
}

function isSayable(value: unknown): boolean {
  if (typeof value === 'number')
    return Number.isInteger(value) ? Number.isSafeInteger(value) : isFinite(value);
  if (value instanceof ExtData) return false;
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return true;
  return Object.values(value).every(isSayable);
}

function toBytes(_key: string, value: unknown): unknown {
  const { $bytes } = Object(value) as { $bytes?: unknown };
  return typeof $bytes === 'string' ? new Uint8Array(Buffer.from($bytes, 'base64')) : value;
}

function toBase64(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? { $bytes: Buffer.from(value).toString('base64') } : value;
}

import { Bytes, mayHoldBytes, reviveBytes } from '@aerie/protocol';
import { encode } from '@msgpack/msgpack';

/** What JSON can say and MessagePack's readers choke on: a key that would be a prototype, half a character. */
const AWKWARD = /"__proto__"|\\ud[89a-f]/;
const MAX_DEPTH = 1_000;

/**
 * The same object in MessagePack; undefined for what is no JSON, or nested deeper than 1,000. `{"$bytes"}` becomes binary,
 * fields called `__proto__` are left out, halves of surrogate pairs become U+FFFD.
 */
export function msgpackOf(json: Uint8Array): Uint8Array | undefined {
  const text = Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString('utf8');
  try {
    const value: unknown = JSON.parse(text);
    const revived = mayHoldBytes(text) ? reviveBytes(value) : value;
    return encode(AWKWARD.test(text) ? tamed(revived) : revived, { maxDepth: MAX_DEPTH });
  } catch {
    return undefined;
  }
}

function tamed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (typeof value !== 'object' || value === null || value instanceof Bytes) return value;
  if (Array.isArray(value)) return value.map(tamed);
  const fields = Object.entries(value).filter(([key]) => key !== '__proto__');
  return Object.fromEntries(fields.map(([key, field]) => [key.toWellFormed(), tamed(field)]));
}

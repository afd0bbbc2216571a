import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bytes, mayHoldBytes, reviveBytes } from './bytes.js';
import { decodeMessage } from './codec.js';

function there(value: unknown): string {
  return JSON.stringify(value);
}

function back(json: string): unknown {
  return reviveBytes(JSON.parse(json));
}

describe('bytes in JSON', () => {
  it('are an object with base64 in it, wherever they stand', () => {
    expect(there({ a: [new Bytes(Buffer.from('hi'))], b: new Bytes() })).toBe(
      '{"a":[{"$bytes":"aGk="}],"b":{"$bytes":""}}',
    );
  });

  it('come back as they were', () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20_000, size: 'max' }), (bytes) => {
        const json = there({ deep: [{ bytes: new Bytes(bytes) }] });
        expect(mayHoldBytes(json)).toBe(true);
        expect(back(json)).toEqual({ deep: [{ bytes: new Bytes(bytes) }] });
      }),
      { numRuns: 50 },
    ));

  it.each([
    '{"$bytes":"aGk"}',
    '{"$bytes":"a%k="}',
    '{"$bytes":7}',
    '{"$bytes":"aGk=","and":"more"}',
    '{"bytes":"aGk="}',
  ])('are not seen in %s', (json) => {
    expect(back(json)).toEqual(JSON.parse(json));
  });

  it('never become a prototype', () => {
    const value = back('{"__proto__":{"$bytes":"aGk="}}') as object;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.keys(value)).toEqual(['__proto__']);
  });

  it('are bytes to whoever handles a message that was JSON', () => {
    expect(decodeMessage('{"event":"save","data":{"file":{"$bytes":"aGk="}}}')).toEqual({
      ok: true,
      message: { event: 'save', data: { file: new Bytes(Buffer.from('hi')) } },
    });
  });
});

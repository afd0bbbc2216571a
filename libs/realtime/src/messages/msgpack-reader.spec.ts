import { Bytes } from '@aerie/protocol';
import { encode, ExtData } from '@msgpack/msgpack';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readMsgpack } from './msgpack-reader.js';

function read(...bytes: readonly number[]): unknown {
  return readMsgpack(Buffer.from(bytes));
}

function nested(levels: number): unknown {
  return levels === 0 ? 1 : [nested(levels - 1)];
}

const bytes = fc.uint8Array({ maxLength: 300 }).map((value) => new Bytes(value));
const key = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((name) => name !== '__proto__');
const { value: anything } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger(),
    // The encoder writes -0 as 0.
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
    fc.string({ unit: 'grapheme', maxLength: 300 }),
    bytes,
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(key, tie('value'), { maxKeys: 20, noNullPrototype: true }),
  ),
}));

describe('MessagePack from a client', () => {
  it('is read as any encoder wrote it', () =>
    fc.assert(
      fc.property(anything, (value) => {
        const result = readMsgpack(Buffer.from(encode(value)));
        expect(result.ok && result.value).toEqual(value);
      }),
    ));

  it('is read in the long forms, too', () => {
    const text = 'x'.repeat(70_000);
    const array = Array.from({ length: 70_000 }, () => 1);
    const map = Object.fromEntries(array.map((one, index) => [`k${index}`, one]));
    for (const value of [text, array, map, new Bytes(70_000)])
      expect(readMsgpack(Buffer.from(encode(value)))).toEqual({ ok: true, value });
    expect(read(0xca, 0x3f, 0xc0, 0, 0)).toEqual({ ok: true, value: 1.5 });
  });

  it('is copied: bytes outlive the frame that brought them', () => {
    const frame = Buffer.from(encode(new Uint8Array([1, 2, 3])));
    const result = readMsgpack(frame);
    frame.fill(0);
    expect(result).toEqual({ ok: true, value: new Bytes([1, 2, 3]) });
  });

  it.each<[string, Uint8Array]>([
    ['cut short', Buffer.from([])],
    ['cut short', encode({ event: 'x' }).subarray(0, -1)],
    ['cut short', Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff])],
    ['cut short', Buffer.from([0xdf, 0x7f, 0xff, 0xff, 0xff, 0xa1, 0x61])],
    ['cut short', Buffer.from([0xc6, 0xff, 0xff, 0xff, 0xff])],
    ['more than one value', Buffer.from([0x01, 0x02])],
    ['an extension type', encode(new ExtData(7, new Uint8Array(4)))],
    ['an extension type', encode(new Date(0))],
    ['an extension type', Buffer.from([0xc1])],
    ['a key that is no field name', Buffer.from([0x81, 0x01, 0x02])],
    ['a key that is no field name', Buffer.from([0x81, 0xa9, ...Buffer.from('__proto__'), 0x80])],
    ['a whole number beyond 2^53', Buffer.from([0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0])],
    ['a whole number beyond 2^53', Buffer.from([0xd3, 0xff, 0xdf, 0, 0, 0, 0, 0, 0])],
    ['a number that JSON has not', encode(Number.NaN)],
    ['a number that JSON has not', Buffer.from([0xca, 0x7f, 0x80, 0, 0])],
    ['not UTF-8', Buffer.from([0xa2, 0xc3, 0x28])],
    ['deeper than 64', encode(nested(65))],
    ['deeper than 64', Buffer.alloc(60_000, 0x91)],
  ])('is refused where it is %s', (fault, frame) => {
    expect(readMsgpack(Buffer.from(frame))).toEqual({ ok: false, fault });
  });

  it('may be 64 levels deep, and hold U+FFFD', () => {
    expect(readMsgpack(Buffer.from(encode(nested(64)))).ok).toBe(true);
    expect(readMsgpack(Buffer.from(encode('\ufffd')))).toEqual({ ok: true, value: '\ufffd' });
  });

  it('never throws, whatever it is', () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (frame) => {
        readMsgpack(Buffer.from(frame));
      }),
      { numRuns: 2_000 },
    ));
});

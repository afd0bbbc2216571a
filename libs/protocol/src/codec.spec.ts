import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeMessage, jsonDepth } from './codec.js';
import { LIMITS } from './limits.js';

describe('the codec', () => {
  it('never throws and never gives the payload back, whatever text it reads', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.json(),
      fc.json().map((json) => json.slice(0, json.length / 2)),
      fc
        .array(fc.constantFrom('{', '}', '[', ']', '"', ':', ',', '\\', 'a', '1', '\u0000'))
        .map((all) => all.join('')),
    );
    fc.assert(
      fc.property(text, (raw) => {
        const decoded = decodeMessage(raw);
        if (decoded.ok) expect(typeof decoded.message.event).toBe('string');
        else expect(decoded.error.code).toBe('bad_frame');
      }),
      { numRuns: 1_000 },
    );
  });

  it('reads back every message of the protocol', () => {
    const event = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
      .filter((name) => Buffer.byteLength(name) <= LIMITS.eventBytes && !/\p{Cc}/u.test(name));
    const id = fc.oneof(fc.integer(), fc.string({ maxLength: 16 }));
    fc.assert(
      fc.property(
        event,
        fc.jsonValue({ maxDepth: 5 }),
        fc.option(id, { nil: undefined }),
        (name, data, given) => {
          const message = { event: name, data, ...(given !== undefined && { id: given }) };
          const text = JSON.stringify(message);
          const decoded = decodeMessage(text);
          expect(decoded).toEqual({ ok: true, message: JSON.parse(text) as unknown });
        },
      ),
    );
  });

  it.each([
    ['', 'not JSON'],
    ['nonsense', 'not JSON'],
    ['[]', 'not an object'],
    ['null', 'not an object'],
    ['7', 'not an object'],
    ['{}', 'event must be a string of 1-128 bytes'],
    ['{"event":""}', 'event must be a string of 1-128 bytes'],
    ['{"event":7}', 'event must be a string of 1-128 bytes'],
    [`{"event":"${'ü'.repeat(65)}"}`, 'event must be a string of 1-128 bytes'],
    ['{"event":"a\\nb"}', 'event must be a string of 1-128 bytes'],
    ['{"event":"a","id":{}}', 'id must be a number or a string of at most 64 bytes'],
    ['{"event":"a","id":null}', 'id must be a number or a string of at most 64 bytes'],
    ['{"event":"a","id":1e999}', 'id must be a number or a string of at most 64 bytes'],
    [`{"event":"a","id":"${'x'.repeat(65)}"}`, 'id must be a number or a string of at most 64 bytes'],
    ['['.repeat(65) + ']'.repeat(65), 'JSON deeper than 64'],
  ])('calls %j a bad frame: %s', (text, message) => {
    expect(decodeMessage(text)).toEqual({ ok: false, error: { code: 'bad_frame', message } });
  });

  it('tells which message was bad, where its id could be read', () => {
    expect(decodeMessage('{"id":7,"event":""}')).toMatchObject({ ok: false, id: 7 });
  });

  it('keeps fields that it does not know to itself', () => {
    expect(decodeMessage('{"event":"a","data":1,"id":2,"future":true,"__proto__":{"x":1}}')).toEqual({
      ok: true,
      message: { event: 'a', data: 1, id: 2 },
    });
  });
});

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

describe('the depth of a JSON text', () => {
  it('is that of the value, brackets in strings not counted', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), fc.nat({ max: 3 }), (value, indent) => {
        expect(jsonDepth(JSON.stringify(value, null, indent))).toBe(depthOf(value));
      }),
    );
    expect(jsonDepth('{"[[[":"\\"{{{"}')).toBe(1);
  });

  it('is counted no further than the limit', () => {
    expect(jsonDepth('['.repeat(100_000))).toBe(LIMITS.jsonDepth + 1);
  });
});

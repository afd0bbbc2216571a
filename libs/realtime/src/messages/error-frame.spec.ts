import * as fc from 'fast-check';
import { decodeMessage, ERROR_STATUS, type ErrorBody, type ErrorCode, LIMITS } from '@aerie/protocol';
import { describe, expect, it } from 'vitest';
import { badFrame, errorFrame } from './error-frame.js';

const codes = Object.keys(ERROR_STATUS) as ErrorCode[];

describe('the error frame of what is no message', () => {
  it('is JSON of at most 256 bytes and never throws, whatever was sent', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json(), hostileFrames), (text) => {
        const decoded = decodeMessage(text);
        if (decoded.ok) return;
        const frame = badFrame(decoded.id, decoded.error);
        expect(Buffer.byteLength(frame)).toBeLessThanOrEqual(LIMITS.errorFrameBytes);
        expect(JSON.parse(frame)).toMatchObject({ error: { code: 'bad_frame' } });
      }),
    );
  });

  it('stays within 256 bytes for any id and any message', () => {
    fc.assert(
      fc.property(
        fc.option(fc.oneof(fc.double(), fc.string({ unit: 'binary', maxLength: 64 })), { nil: undefined }),
        fc.constantFrom(...codes),
        fc.string({ unit: 'binary', maxLength: 400 }),
        (id, code, message) => {
          const frame = badFrame(id, { code, message });
          expect(Buffer.byteLength(frame)).toBeLessThanOrEqual(LIMITS.errorFrameBytes);
          expect(JSON.parse(frame)).toMatchObject({ error: { code } });
        },
      ),
    );
  });

  it('names the message that it answers', () => {
    expect(JSON.parse(badFrame(7, { code: 'bad_frame', message: 'no' }))).toEqual({
      id: 7,
      error: { code: 'bad_frame', message: 'no' },
    });
  });
});

const hostileFrames = fc
  .record({ id: fc.anything(), event: fc.anything(), data: fc.anything() })
  .map((frame) => {
    try {
      return JSON.stringify(frame) ?? '';
    } catch {
      return '{';
    }
  });

describe('the error reply of a message', () => {
  it("is in the shape of Nest's ws clients too where the message had no id", () => {
    const error: ErrorBody = { code: 'forbidden', message: 'no' };
    expect(JSON.parse(errorFrame(undefined, error))).toEqual({
      event: 'exception',
      data: { status: 'error', ...error },
      error,
    });
  });

  it('carries details, and goes without those that no JSON can hold', () => {
    const cyclic: Record<string, unknown> = {};
    cyclic['self'] = cyclic;
    expect(JSON.parse(errorFrame(1, { code: 'invalid', message: 'm', details: ['a'] }))).toEqual({
      id: 1,
      error: { code: 'invalid', message: 'm', details: ['a'] },
    });
    for (const details of [cyclic, 1n, { toJSON: () => cyclic }])
      expect(JSON.parse(errorFrame(1, { code: 'invalid', message: 'm', details }))).toEqual({
        id: 1,
        error: { code: 'invalid', message: 'm' },
      });
  });
});

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEnvelope, encodeEnvelope, type Envelope } from './envelope.js';

const epochs = fc.stringMatching(/^[A-Za-z0-9_.:-]{1,64}$/);
const positions = fc.record({ epoch: epochs, offset: fc.maxSafeNat() });
const envelopes: fc.Arbitrary<Envelope> = fc.oneof(
  fc.record({ frame: fc.uint8Array(), position: positions }),
  fc.record({ frame: fc.uint8Array() }),
);

describe('the envelope between nodes', () => {
  it('comes back as it went, whatever the frame contains', () => {
    fc.assert(
      fc.property(envelopes, (envelope) => {
        const read = decodeEnvelope(encodeEnvelope(envelope));
        expect(read?.position).toEqual(envelope.position);
        expect(Buffer.from(read?.frame ?? [])).toEqual(Buffer.from(envelope.frame));
      }),
    );
  });

  it('reads any bytes without throwing, and nothing that it would write differently', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const read = decodeEnvelope(bytes);
        if (read === undefined || bytes.subarray(1).indexOf(0x2c) < 0) return;
        expect(read.frame.byteLength).toBeLessThan(bytes.byteLength);
      }),
    );
  });

  it('has a fixed layout: version, epoch, offset, frame', () => {
    const frame = Buffer.from('{"event":"say"}');
    expect(encodeEnvelope({ frame }).toString('latin1')).toBe('\u0001,;{"event":"say"}');
    const position = { epoch: 'e1', offset: 7 };
    expect(encodeEnvelope({ frame, position }).toString('latin1')).toBe('\u0001e1,7;{"event":"say"}');
  });

  it('passes over fields that a later release added behind the offset', () => {
    expect(decodeEnvelope(Buffer.from('\u0001e1,7,new;{}'))).toEqual({
      frame: Buffer.from('{}'),
      position: { epoch: 'e1', offset: 7 },
    });
    expect(decodeEnvelope(Buffer.from('\u0001,,new;{}'))).toEqual({ frame: Buffer.from('{}') });
  });

  it.each([
    ['nothing', ''],
    ['another version', '\u0002,;{}'],
    ['no end of the head', '\u0001e1,7{}'],
    ['an epoch without an offset', '\u0001e1,;{}'],
    ['an offset without an epoch', '\u0001,7;{}'],
    ['an offset that is no number', '\u0001e1,x;{}'],
    ['an offset past the safe integers', '\u0001e1,9999999999999999;{}'],
    ['no comma', '\u0001;{}'],
  ])('refuses %s', (_name, text) => {
    expect(decodeEnvelope(Buffer.from(text, 'latin1'))).toBeUndefined();
  });

  it.each(['', 'a,b', 'a;b', 'é', 'x'.repeat(65)])('does not write the epoch %j', (epoch) => {
    expect(() => encodeEnvelope({ frame: Buffer.alloc(0), position: { epoch, offset: 1 } })).toThrow(
      TypeError,
    );
  });
});

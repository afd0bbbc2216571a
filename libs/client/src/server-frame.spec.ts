import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JSON_CODEC } from './codec.js';
import { fieldsOf, positionOf, readFrame } from './server-frame.js';

describe('reading the server', () => {
  it('takes a frame as it came', () => {
    const frame = { event: 'say', channel: 'room:7', data: 1, offset: 3, from: 'bob', new: true };
    expect(readFrame(JSON.stringify(frame), JSON_CODEC)).toEqual(frame);
  });

  it.each(['', 'x', '{', '1', 'true', 'null', '"text"'])('finds no field of a frame in %j', (text) => {
    const { id, error, event, channel } = readFrame(text, JSON_CODEC);
    expect([id, error, event, channel]).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('is done by a codec that may be an object of a class', () => {
    class Prefixed {
      readonly subprotocols = ['prefixed'];
      readonly encode = JSON.stringify;
      readonly translate = JSON_CODEC.translate;
      decode(data: unknown): unknown {
        return this.parse(String(data).slice(1));
      }
      parse(text: string): unknown {
        return JSON.parse(text);
      }
    }
    expect(readFrame('!{"id":1}', new Prefixed())).toEqual({ id: 1 });
  });

  it('never throws, whatever arrives', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string(), fc.anything()), (value) => {
        expect(typeof readFrame(value, JSON_CODEC)).toBe('object');
        const { channel } = fieldsOf(value);
        expect(channel === undefined || value !== null).toBe(true);
      }),
    );
  });

  it('finds a position among other fields', () => {
    expect(positionOf(fieldsOf({ channel: 'room:7', epoch: 'e1', offset: 0 }))).toEqual({
      epoch: 'e1',
      offset: 0,
    });
    expect(positionOf(fieldsOf({ channel: 'room:7' }))).toBeUndefined();
  });
});

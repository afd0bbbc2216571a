import { inflateRawSync } from 'node:zlib';
import { decode } from '@msgpack/msgpack';
import { JSON_SUBPROTOCOL, MSGPACK_SUBPROTOCOL } from '@aerie/protocol';
import { describe, expect, it } from 'vitest';
import { Framings } from './framings.js';

const TAIL = Buffer.from([0, 0, 0xff, 0xff]);

/** First byte and payload of an unmasked frame below 64 KiB. */
function opened(frame: Buffer): { readonly head: number; readonly payload: Buffer } {
  const start = frame.readUInt8(1) === 126 ? 4 : 2;
  return { head: frame.readUInt8(0), payload: frame.subarray(start) };
}

function inflated(payload: Buffer): Buffer {
  return inflateRawSync(Buffer.concat([payload, TAIL]), { finishFlush: 2, windowBits: 12 });
}

describe('the framings of a node', () => {
  const framings = new Framings({ thresholdBytes: 100 });
  const long = Buffer.from(JSON.stringify({ event: 'say', data: 'x'.repeat(200) }));
  const short = Buffer.from('{"event":"say"}');

  it('are the same object for the same negotiation, so that receivers share bytes', () => {
    const kinds = [JSON_SUBPROTOCOL, MSGPACK_SUBPROTOCOL].flatMap((name) => [
      framings.of(name, false),
      framings.of(name, true),
    ]);
    expect(new Set(kinds).size).toBe(4);
    expect(framings.of('', true)).toBe(framings.of(JSON_SUBPROTOCOL, true));
    expect(framings.of(MSGPACK_SUBPROTOCOL, true)).toBe(framings.of(MSGPACK_SUBPROTOCOL, true));
  });

  it('compress from the threshold on', () => {
    const framing = framings.of(JSON_SUBPROTOCOL, true);
    expect(opened(framing.frame(short))).toEqual({ head: 0x81, payload: short });
    const { head, payload } = opened(framing.frame(long));
    expect(head).toBe(0xc1);
    expect(payload.byteLength).toBeLessThan(long.byteLength / 2);
    expect(inflated(payload)).toEqual(long);
  });

  it('compress MessagePack as well', () => {
    const { head, payload } = opened(framings.of(MSGPACK_SUBPROTOCOL, true).frame(long));
    expect(head).toBe(0xc2);
    expect(decode(inflated(payload))).toEqual(JSON.parse(long.toString()));
  });

  it('send as it is what would not become smaller, or take too long', () => {
    const framing = framings.of(JSON_SUBPROTOCOL, true);
    const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(500)));
    expect(opened(framing.frame(noise))).toEqual({ head: 0x81, payload: noise });
    const huge = Buffer.alloc(256 * 1024 + 1, 'x');
    expect(framing.frame(huge).byteLength).toBe(huge.byteLength + 10);
  });

  it('write in MessagePack what JSON says, but for what its readers choke on', () => {
    const { frame } = framings.of(MSGPACK_SUBPROTOCOL, false);
    const json = '{"a":{"$bytes":"aGk="},"__proto__":{"x":1},"half":"\\ud800","n":[1,null,1.5]}';
    const { head, payload } = opened(frame(Buffer.from(json)));
    expect(head).toBe(0x82);
    expect(decode(new Uint8Array(payload))).toEqual({
      a: new Uint8Array([0x68, 0x69]),
      half: '\ufffd',
      n: [1, null, 1.5],
    });
  });

  it('leave text that a gateway sends by itself as it is', () => {
    const { frame } = framings.of(MSGPACK_SUBPROTOCOL, false);
    expect(opened(frame(Buffer.from('hello')))).toEqual({ head: 0x81, payload: Buffer.from('hello') });
  });
});

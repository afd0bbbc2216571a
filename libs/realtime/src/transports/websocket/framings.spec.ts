import { MSGPACK_SUBPROTOCOL } from '@aerie/protocol';
import { decode } from '@msgpack/msgpack';
import { describe, expect, it } from 'vitest';
import { framingOf } from './framings.js';

/** First byte and payload of an unmasked frame below 64 KiB. */
function opened(frame: Buffer): { readonly head: number; readonly payload: Buffer } {
  const start = frame.readUInt8(1) === 126 ? 4 : 2;
  return { head: frame.readUInt8(0), payload: frame.subarray(start) };
}

describe('the framing of MessagePack', () => {
  it('writes in MessagePack what JSON says, but for what its readers choke on', () => {
    const { frame } = framingOf(MSGPACK_SUBPROTOCOL);
    const json = '{"a":{"$bytes":"aGk="},"__proto__":{"x":1},"half":"\\ud800","n":[1,null,1.5]}';
    const { head, payload } = opened(frame(Buffer.from(json)));
    expect(head).toBe(0x82);
    expect(decode(new Uint8Array(payload))).toEqual({
      a: new Uint8Array([0x68, 0x69]),
      half: '\ufffd',
      n: [1, null, 1.5],
    });
  });

  it('leaves text that a gateway sends by itself as it is', () => {
    const { frame } = framingOf(MSGPACK_SUBPROTOCOL);
    expect(opened(frame(Buffer.from('hello')))).toEqual({ head: 0x81, payload: Buffer.from('hello') });
  });
});

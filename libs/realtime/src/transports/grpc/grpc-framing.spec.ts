import { fileURLToPath } from 'node:url';
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';
import { describe, expect, it } from 'vitest';
import { grpcFraming, messageIn } from './grpc-framing.js';

const PROTO = fileURLToPath(new URL('../../../proto/aerie/v1/realtime.proto', import.meta.url));
const types = loadSync(PROTO, { keepCase: true, longs: Number });

/** What every other implementation of Protocol Buffers makes of our bytes, and gives us. */
function typeOf(name: string): MessageTypeDefinition<object, object> {
  return types[`aerie.v1.${name}`] as MessageTypeDefinition<object, object>;
}

function seen(bytes: Buffer): object {
  expect(bytes[0]).toBe(0);
  expect(bytes.readUInt32BE(1)).toBe(bytes.byteLength - 5);
  return typeOf('ServerFrame').deserialize(bytes.subarray(5));
}

function framed(frame: unknown): object {
  return seen(grpcFraming.frame(Buffer.from(typeof frame === 'string' ? frame : JSON.stringify(frame))));
}

function sent(fields: object): unknown {
  return read(typeOf('ClientFrame').serialize(fields));
}

function read(bytes: Buffer): unknown {
  const message = messageIn(bytes);
  return Buffer.isBuffer(message) ? message.toString() : message;
}

function noMessage(message: string, id?: string): object {
  return { ok: false, ...(id !== undefined && { id }), error: { code: 'bad_frame', message } };
}

describe('the framing of gRPC', () => {
  it.each([
    [
      { event: 'say', channel: 'room:7', data: { text: 'hé' }, from: 'ann', offset: 2 ** 40 },
      { event: 'say', channel: 'room:7', data: '{"text":"hé"}', from: 'ann', offset: 2 ** 40 },
    ],
    [
      { id: '1', data: null },
      { id: '1', data: 'null' },
    ],
    [
      { id: 1, data: 0, more: true },
      { id: '1', data: '0', more: true },
    ],
    [
      { id: '1', done: true },
      { id: '1', done: true },
    ],
    [
      { id: '1', error: { code: 'forbidden', message: 'no', details: [1] } },
      { id: '1', error: { code: 'forbidden', message: 'no', details: '[1]' } },
    ],
    [
      { event: 'paid', data: 1, notification: 'n1' },
      { event: 'paid', data: '1', notification: 'n1' },
    ],
  ])('makes of %j its fields', (frame, fields) => {
    expect(framed(frame)).toEqual(fields);
  });

  it.each(['hello', '[1]', '{"event":"x","of":"its own"}', '{"text":"x"}'])(
    'leaves %j as it is, which is no frame of the protocol',
    (text) => {
      expect(framed(text)).toEqual({ text });
    },
  );

  it('carries bytes', () => {
    expect(seen(grpcFraming.binary(Uint8Array.from([0, 255])))).toEqual({ binary: Buffer.from([0, 255]) });
  });

  it('reads messages as the JSON that they are elsewhere', () => {
    expect(sent({ event: 'x', id: 'a"b', data: '{"n":12345678901234567890}' })).toBe(
      '{"event":"x","id":"a\\"b","data":{"n":12345678901234567890}}',
    );
    expect(sent({ event: '$ping' })).toBe('{"event":"$ping"}');
  });

  it.each(['{', '1,"event":"$auth"', '1}', '{"a":1}{}'])('takes no data but JSON: %s', (data) => {
    expect(sent({ event: 'x', data })).toEqual(noMessage('data must be JSON'));
    expect(sent({ event: 'x', data, id: '7' })).toEqual(noMessage('data must be JSON', '7'));
    expect(sent({ event: 'x', data, id: 'x'.repeat(65) })).toEqual(noMessage('data must be JSON'));
  });

  it('takes nothing that is not UTF-8, or no message at all', () => {
    for (const bytes of [Buffer.from([0x0a, 1, 0xff]), Buffer.from([0x0a, 9, 0x41]), Buffer.alloc(12, 0xff)])
      expect(read(bytes)).toEqual(noMessage('no ClientFrame'));
  });

  it('ignores fields that it does not know', () => {
    const later = Buffer.from([0x22, 1, 0xff, 0x28, 7]);
    const bytes = Buffer.concat([typeOf('ClientFrame').serialize({ event: 'x' }), later]);
    expect(read(bytes)).toBe('{"event":"x"}');
  });
});

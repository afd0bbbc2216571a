import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readFrame, readSubscribeReply, readWelcome } from './server-frame.js';

describe('reading the server', () => {
  it('tells the kinds of frames apart', () => {
    expect(readFrame('{"id":1,"data":{"a":1}}')).toMatchObject({
      kind: 'reply',
      id: 1,
      data: { a: 1 },
      last: true,
    });
    expect(readFrame('{"id":"x","event":"e","more":true}')).toMatchObject({
      kind: 'reply',
      id: 'x',
      last: false,
    });
    expect(readFrame('{"id":1,"error":{"code":"forbidden","message":"no"}}')).toMatchObject({
      kind: 'error',
      error: { code: 'forbidden', message: 'no' },
    });
    expect(readFrame('{"event":"$pong","data":{}}')).toMatchObject({ kind: 'system', event: '$pong' });
    expect(
      readFrame('{"event":"say","channel":"room:7","data":1,"offset":3,"from":"bob","new":true}'),
    ).toEqual({
      kind: 'publication',
      frame: { event: 'say', channel: 'room:7', data: 1, offset: 3, from: 'bob' },
    });
    expect(readFrame('{"event":"hi","data":1}')).toEqual({ kind: 'direct', frame: { event: 'hi', data: 1 } });
  });

  it('takes an error code of a later version for a server fault', () => {
    expect(readFrame('{"error":{"code":"brand_new"}}')).toMatchObject({ error: { code: 'internal' } });
  });

  it.each(['', 'x', '1', 'null', '[]', '{}', '{"event":1}', '{"id":{}}', '{"id":null,"data":1}'])(
    'ignores %j',
    (text) => {
      expect(readFrame(text)).toBeUndefined();
    },
  );

  it('never throws, whatever arrives', () => {
    const near = fc.record(
      {
        event: fc.anything(),
        id: fc.anything(),
        data: fc.anything(),
        channel: fc.anything(),
        error: fc.anything(),
        offset: fc.anything(),
        publications: fc.anything(),
        heartbeat: fc.anything(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string(), near), (value) => {
        const text = typeof value === 'string' ? value : (fc.stringify(value) ?? '');
        readFrame(text);
        expect(readWelcome(value).heartbeat.intervalMs).toBeGreaterThan(0);
        expect(readSubscribeReply('room:7', value).publications).toBeInstanceOf(Array);
      }),
    );
  });
});

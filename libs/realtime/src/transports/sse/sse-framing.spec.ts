import { describe, expect, it } from 'vitest';
import { eventFraming, idBlock, retryBlock } from './sse-framing.js';

const framed = (text: string): string => eventFraming.frame(Buffer.from(text)).toString();

describe('an event', () => {
  it('is a line of data', () => {
    expect(framed('{"event":"say"}')).toBe('data: {"event":"say"}\n\n');
  });

  it.each(['a\nb', 'a\r\nb', 'a\rb'])('with lines of its own has as many: %j', (text) => {
    expect(framed(text)).toBe('data: a\ndata: b\n\n');
  });

  it('can not be binary', () => {
    expect(() => eventFraming.binary(Buffer.from('x'))).toThrow(TypeError);
  });

  it('may be an id or a wait alone', () => {
    expect([idBlock(';a/e/1').toString(), retryBlock(1_000.5).toString()]).toEqual([
      'id: ;a/e/1\n\n',
      'retry: 1001\n\n',
    ]);
  });
});

import { describe, expect, it } from 'vitest';
import { lineFraming, markLine, placesIn } from './line-framing.js';

describe('the framing of long polling', () => {
  it.each([
    ['a frame', '{"event":"a"}', '{"event":"a"}\n'],
    ['lines between the tokens of JSON', '{\r\n "event": "a"\n}', '{   "event": "a" }\n'],
    ['what JSON escapes', '{"event":"a\\n\\u2028"}', '{"event":"a\\n\\u2028"}\n'],
    ['text that is no JSON', 'hello\n"you"', '"hello\\n\\"you\\""\n'],
    ['what looks like a mark', '#1', '"#1"\n'],
  ])('makes one line of JSON of %s', (_what, payload, line) => {
    expect(lineFraming.frame(Buffer.from(payload)).toString()).toBe(line);
  });

  it('leaves what it was given as it is', () => {
    const payload = Buffer.from('{\n}');
    lineFraming.frame(payload);
    expect(payload.toString()).toBe('{\n}');
  });

  it('tells marks from frames', () => {
    expect(placesIn(markLine(';a/e/1').toString().trimEnd())).toBe(';a/e/1');
    expect(placesIn('{"event":"#"}')).toBeUndefined();
  });

  it('refuses bytes', () => {
    expect(() => lineFraming.binary(Buffer.from('x'))).toThrow(TypeError);
  });
});

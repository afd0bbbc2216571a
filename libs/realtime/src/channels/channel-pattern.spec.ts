import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChannelPattern } from './channel-pattern.js';

describe('a channel pattern', () => {
  it.each([
    ['room:{id}', 'room:7', { id: '7' }],
    ['room:{id}', 'room:a.b@c', { id: 'a.b@c' }],
    ['game:{game}:team:{team}', 'game:1:team:red', { game: '1', team: 'red' }],
    ['v{major}.{minor}', 'v1.2', { major: '1', minor: '2' }],
    ['news', 'news', {}],
  ])('%s matches %s', (pattern, channel, params) => {
    expect(new ChannelPattern(pattern).match(channel)).toEqual(params);
  });

  it.each([
    ['room:{id}', 'room:'],
    ['room:{id}', 'room:7:8'],
    ['room:{id}', 'xroom:7'],
    ['news', 'newsletter'],
    ['a.b', 'axb'],
    ['a+', 'aa'],
  ])('%s does not match %s', (pattern, channel) => {
    expect(new ChannelPattern(pattern).match(channel)).toBeUndefined();
  });

  it.each(['', 'room {id}', 'room:{}', 'room:{1}', 'room:{id', 'room/*', 'ü'])('cannot be %j', (pattern) => {
    expect(() => new ChannelPattern(pattern)).toThrow("can't match any channel name");
  });

  it('names a parameter once', () => {
    expect(() => new ChannelPattern('{id}:{id}')).toThrow('names a parameter twice');
  });

  it('gives back whatever was put into its segments', () => {
    const segment = fc.stringMatching(/^[A-Za-z0-9_.@%=+-]{1,20}$/);
    fc.assert(
      fc.property(segment, segment, (a, b) => {
        expect(new ChannelPattern('x:{a}:y:{b}').match(`x:${a}:y:${b}`)).toEqual({ a, b });
      }),
    );
  });
});

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { presenceChannel } from '../publishing/internal-channels.js';
import { RedisKeys } from './redis-keys.js';

describe('the Redis keys', () => {
  it('lead back from the Pub/Sub channel to the channel, for any name', () => {
    const names = fc.stringMatching(/^[$A-Za-z0-9_.:@%=+-]{1,50}$/);
    fc.assert(
      fc.property(names, (channel) => {
        for (const name of [channel, presenceChannel(channel)])
          expect(new RedisKeys('app:').channelOf(new RedisKeys('app:').live(name))).toBe(name);
      }),
    );
  });

  it('put everything of a channel into one slot', () => {
    const keys = new RedisKeys();
    const hashTag = /\{(.+?)\}/;
    expect(hashTag.exec(keys.once('room:7', 'k'))?.[1]).toBe('room:7');
    expect(hashTag.exec(keys.live('room:7'))?.[1]).toBe('room:7');
    expect(hashTag.exec(keys.history('room:7'))?.[1]).toBe('room:7');
    expect(hashTag.exec(keys.historyMeta('room:7'))?.[1]).toBe('room:7');
    for (const key of Object.values({
      ...keys.presence('room:7'),
      index: keys.presence('room:7').index('f'),
    }))
      expect(hashTag.exec(key)?.[1]).toBe('room:7');
  });

  it('know what belongs to somebody else', () => {
    expect(new RedisKeys('one:').channelOf(new RedisKeys('two:').live('room:7'))).toBeUndefined();
    expect(new RedisKeys('one:').channelOf('one:1:{room:7}:other')).toBeUndefined();
  });

  it.each(['a{b', 'a}', 'a b'])('refuse the prefix %j', (prefix) => {
    expect(() => new RedisKeys(prefix)).toThrow(/prefix/);
  });
});

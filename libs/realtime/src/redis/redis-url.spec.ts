import { describe, expect, it } from 'vitest';
import { targetOfUrl } from './redis-url.js';

describe('a Redis URL', () => {
  it.each([
    ['redis://localhost', { host: 'localhost', port: 6379, db: 0 }],
    ['redis://cache.example:6380/3', { host: 'cache.example', port: 6380, db: 3 }],
    ['redis://:p%40ss@h', { password: 'p@ss', host: 'h', port: 6379, db: 0 }],
    ['redis://me:a:b@h/1', { username: 'me', password: 'a:b', host: 'h', port: 6379, db: 1 }],
    ['redis://[::1]:7000', { host: '::1', port: 7000, db: 0 }],
    ['rediss://h', { host: 'h', port: 6379, db: 0, tls: {} }],
    [
      'redis+sentinel://me:pw@s1,s2:26380/main/2?sentinelPassword=x%20y',
      {
        username: 'me',
        password: 'pw',
        sentinels: [
          { host: 's1', port: 26379 },
          { host: 's2', port: 26380 },
        ],
        name: 'main',
        db: 2,
        sentinelPassword: 'x y',
      },
    ],
  ])('is read: %s', (url, options) => {
    expect(targetOfUrl(url)).toEqual({ options });
  });

  it('names nodes of a cluster', () => {
    expect(targetOfUrl('redis+cluster://me:pw@a,b:7001,[::1]:7002')).toEqual({
      options: { username: 'me', password: 'pw' },
      nodes: [
        { host: 'a', port: 6379 },
        { host: 'b', port: 7001 },
        { host: '::1', port: 7002 },
      ],
    });
  });

  it.each([
    ['http://:secret@h', /must start with redis:/],
    [':secret@h', /must start with redis:/],
    ['redis://', /must start with redis:/],
    ['redis://:secret%@h', /percent-encode/],
    ['redis://:secret@h:port', /a host that is none/],
    ['redis://:secret@h/first', /number of a database/],
    ['redis+sentinel://:secret@h', /must name the primary/],
    ['redis+cluster://:secret@a,b:port', /a host that is none/],
    ['redis+cluster://:secret@a/1', /there is only 0/],
  ])('that is wrong is refused without its secret: %s', (url, message) => {
    expect(() => targetOfUrl(url)).toThrow(message);
    expect(() => targetOfUrl(url)).not.toThrow(/secret/);
  });
});

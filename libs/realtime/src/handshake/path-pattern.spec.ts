import { describe, expect, it } from 'vitest';
import { PathPattern } from './path-pattern.js';

describe("a gateway's path", () => {
  it.each([
    ['/ws', '/ws', {}],
    ['ws', '/ws', {}],
    ['/ws/', '/ws', {}],
    ['/ws', '/ws/', {}],
    ['/', '/', {}],
    ['/tenants/:tenant/ws', '/tenants/acme/ws', { tenant: 'acme' }],
    ['/tenants/:tenant/ws', '/tenants/a%2Fb%20c/ws', { tenant: 'a/b c' }],
    ['/:a/:b', '/1/2', { a: '1', b: '2' }],
  ])('%s takes %s', (pattern, path, params) => {
    expect(new PathPattern(pattern).match(path)).toEqual(params);
  });

  it.each([
    ['/ws', '/wss'],
    ['/ws', '/WS'],
    ['/ws', '/ws/more'],
    ['/ws', '//ws'],
    ['/ws', '/ws//'],
    ['/ws', '/'],
    ['/tenants/:tenant/ws', '/tenants//ws'],
    ['/tenants/:tenant/ws', '/tenants/%zz/ws'],
    ['/a.b', '/axb'],
  ])('%s leaves %s alone', (pattern, path) => {
    expect(new PathPattern(pattern).match(path)).toBeUndefined();
  });

  it('is the same however it is written', () => {
    expect(new Set(['/ws', 'ws', '/ws/', 'ws/'].map((path) => new PathPattern(path).path))).toEqual(
      new Set(['/ws']),
    );
  });
});

import { describe, expect, it } from 'vitest';
import { ApiKeyRing, includesScope } from './api-keys.js';

describe('ApiKeyRing', () => {
  it('finds a key by its whole secret only', () => {
    const ring = new ApiKeyRing([
      { name: 'a', scope: 'read', secret: 'first secret' },
      { name: 'b', scope: 'admin', secret: 'second secret' },
    ]);
    expect(ring.find('second secret')).toEqual({ name: 'b', scope: 'admin' });
    for (const wrong of ['', 'second', 'second secret ', 'SECOND SECRET'])
      expect(ring.find(wrong)).toBeUndefined();
  });
});

describe('scopes', () => {
  it('include the smaller ones', () => {
    expect([includesScope('admin', 'read'), includesScope('publish', 'publish')]).toEqual([true, true]);
    expect([includesScope('read', 'publish'), includesScope('publish', 'admin')]).toEqual([false, false]);
  });
});

import { describe, expect, it } from 'vitest';
import { ApiKeyRing, includesScope, parseApiKeys } from './api-keys.js';

describe('parseApiKeys', () => {
  it('reads name:scope:secret entries and bare secrets, which are admin keys', () => {
    expect(parseApiKeys('web:publish:s1, ops:admin:s2:with:colons ,bare')).toEqual({
      ok: true,
      keys: [
        { name: 'web', scope: 'publish', secret: 's1' },
        { name: 'ops', scope: 'admin', secret: 's2:with:colons' },
        { name: 'key-3', scope: 'admin', secret: 'bare' },
      ],
    });
    expect(parseApiKeys('')).toEqual({ ok: true, keys: [] });
  });

  it.each([
    ['web:publish', 'entry 1 is not name:scope:secret'],
    ['web:publish:', 'entry 1 is not name:scope:secret'],
    [':read:s', 'entry 1 is not name:scope:secret'],
    ['a:read:s,web:owner:s1', 'entry 2 has none of the scopes read, publish, admin'],
    ['a:read:s,a:admin:t', 'a name stands twice'],
    ['a:read:s,b:admin:s', 'a secret stands twice'],
  ])('finds the fault of %s', (text, fault) => {
    expect(parseApiKeys(text)).toEqual({ ok: false, faults: [fault] });
  });
});

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

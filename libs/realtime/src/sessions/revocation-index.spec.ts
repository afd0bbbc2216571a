import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Session } from '../connections/session.js';
import { RevocationIndex } from './revocation-index.js';
import { revokes, type Revocation } from './revocations.js';

const names = fc.constantFrom('a', 'b', 'c');
const times = fc.integer({ min: 0, max: 5 });
const fields = { requiredKeys: [] };
const revocations: fc.Arbitrary<Revocation> = fc.record(
  { user: names, jti: names, issuedBefore: times },
  fields,
);
const sessions: fc.Arbitrary<Session> = fc
  .record({ jti: names, issuedAt: times }, fields)
  .chain((optional) => names.map((user) => ({ user, claims: {}, ...optional })));

describe('the index of revocations', () => {
  it('covers exactly the sessions that some revocation names', () => {
    fc.assert(
      fc.property(fc.array(revocations), sessions, (added, session) => {
        const index = new RevocationIndex();
        for (const revocation of added) index.add(revocation, 0);
        expect(index.covers(session)).toBe(added.some((revocation) => revokes(revocation, session)));
      }),
    );
  });

  it('forgets a revocation after the longest token life', () => {
    const index = new RevocationIndex({ maxTokenLifeMs: 1_000 });
    index.add({ jti: 'a' }, 0);
    index.add({ jti: 'b' }, 500);
    index.expire(1_000);
    expect([covers(index, 'a'), covers(index, 'b'), index.size]).toEqual([false, true, 1]);
  });

  it('holds no more than one revocation for a user who is revoked again and again', () => {
    const index = new RevocationIndex();
    for (let at = 0; at < 1_000; at += 1) index.add({ user: 'alice', issuedBefore: at }, at);
    expect(index.size).toBe(1);
  });

  it('is bounded: the oldest is dropped first', () => {
    const index = new RevocationIndex({ maxEntries: 2 });
    for (const jti of ['a', 'b', 'c']) index.add({ jti }, 0);
    expect([covers(index, 'a'), covers(index, 'b'), covers(index, 'c')]).toEqual([false, true, true]);
  });
});

function covers(index: RevocationIndex, jti: string): boolean {
  return index.covers({ user: 'alice', claims: {}, jti });
}

import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Session } from '../connections/session.js';
import { Refusal } from '../refusal.js';
import { ResumeProofs } from './resume-proofs.js';

const SECRET = 'a-secret-of-the-specs-alone-32-bytes';
const HOUR_MS = 3_600_000;
const alice: Session = {
  user: 'alice',
  tenant: 'acme',
  claims: { sub: 'alice', channels: { subscribe: ['room:*'] } },
  expiresAt: Date.now() + HOUR_MS,
  issuedAt: Date.now(),
  jti: 'j1',
};

describe('a resume proof', () => {
  afterEach(() => vi.useRealTimers());

  it('stands for the whole session, on every node with the secret', () => {
    const proof = new ResumeProofs([SECRET]).of(alice);
    expect(new ResumeProofs([SECRET]).check(proof)).toEqual(alice);
  });

  it('stays good while the secret is rotated', () => {
    const proof = new ResumeProofs(['the-secret-before-the-rotation-32-bytes']).of(alice);
    expect(new ResumeProofs([SECRET, 'the-secret-before-the-rotation-32-bytes']).check(proof)).toEqual(alice);
  });

  it('is good nowhere else where there is no secret', () => {
    const own = new ResumeProofs([]);
    expect(own.check(own.of(alice))).toEqual(alice);
    expect(new ResumeProofs([]).check(own.of(alice))).toBeInstanceOf(Refusal);
  });

  it.each([
    ['an empty text', () => ''],
    ['no signature', (proof: string) => proof.split('.')[0] ?? ''],
    ['a signature too many', (proof: string) => `${proof}.AAAA`],
    ['another signature', (proof: string) => `${proof.slice(0, -4)}AAAA`],
    ['another body', (proof: string) => `x${proof}`],
    ['too many bytes', (proof: string) => proof.padEnd(5_000, 'A')],
  ])('is refused with %s', (_what, forge) => {
    const proofs = new ResumeProofs([SECRET]);
    expect(proofs.check(forge(proofs.of(alice)))).toMatchObject({ code: 'unauthenticated' });
  });

  it('ends with the session, and after a day at the latest', () => {
    vi.useFakeTimers();
    const proofs = new ResumeProofs([SECRET]);
    const endless: Session = { user: 'bob', claims: {} };
    const [short, long] = [proofs.of({ ...alice, expiresAt: Date.now() + 1_000 }), proofs.of(endless)];
    vi.advanceTimersByTime(1_001);
    expect([proofs.check(short), proofs.check(long)]).toEqual([expect.any(Refusal), endless]);
    vi.advanceTimersByTime(24 * HOUR_MS);
    expect(proofs.check(long)).toBeInstanceOf(Refusal);
    expect(proofs.check(proofs.of(endless))).toEqual(endless);
  });

  it('is made once for a session, and not at all where it would not fit a header', () => {
    const proofs = new ResumeProofs([SECRET]);
    expect(proofs.of(alice)).toBe(proofs.of(alice));
    expect(proofs.of({ user: 'bob', claims: { roles: 'x'.repeat(4_000) } })).toBe('');
  });
});

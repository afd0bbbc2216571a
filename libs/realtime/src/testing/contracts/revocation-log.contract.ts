import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Session } from '../../connections/session.js';
import type { Revocation, RevocationLog } from '../../sessions/revocations.js';

/** What a driver brings to the suite: nodes that share one store, each a log that was not started yet. */
export interface RevocationLogFixture {
  node(): Promise<RevocationLog> | RevocationLog;
  close(): Promise<void>;
}

interface RevocationLogSuite {
  /** Whether what one node adds reaches the others. */
  readonly shared: boolean;
}

/** The contract of the `RevocationLog` port, for any driver. */
export function describeRevocationLog(
  name: string,
  open: () => Promise<RevocationLogFixture>,
  { shared }: RevocationLogSuite,
): void {
  describe(`the ${name} revocation log`, () => {
    let fixture: RevocationLogFixture;
    let started: RevocationLog[];

    beforeEach(async () => {
      fixture = await open();
      started = [];
    });

    afterEach(async () => {
      await Promise.all(started.map((log) => log.close()));
      await fixture.close();
    });

    const node = async (
      onAdded: (revocation: Revocation) => void = () => undefined,
    ): Promise<RevocationLog> => {
      const log = await fixture.node();
      started.push(log);
      await log.start(onAdded);
      return log;
    };

    it('covers nobody at first, and is loaded once it started', async () => {
      const log = await node();
      expect(log.loaded).toBe(true);
      expect(log.covers(session({ jti: 'a', issuedAt: 1 }))).toBe(false);
    });

    it('covers a token by its id', async () => {
      const log = await node();
      await log.add({ jti: 'a' });
      expect(log.covers(session({ jti: 'a' }))).toBe(true);
      expect(log.covers(session({ jti: 'b' }))).toBe(false);
      expect(log.covers(session({}))).toBe(false);
    });

    it('covers a user', async () => {
      const log = await node();
      await log.add({ user: 'alice' });
      expect(log.covers(session({ user: 'alice' }))).toBe(true);
      expect(log.covers(session({ user: 'bob' }))).toBe(false);
    });

    it('covers everyone whose token was issued before a time, or does not say when', async () => {
      const log = await node();
      await log.add({ issuedBefore: 1_000 });
      expect(log.covers(session({ issuedAt: 999 }))).toBe(true);
      expect(log.covers(session({}))).toBe(true);
      expect(log.covers(session({ issuedAt: 1_000 }))).toBe(false);
    });

    it('covers by several fields only who matches all of them', async () => {
      const log = await node();
      await log.add({ user: 'alice', issuedBefore: 1_000 });
      await log.add({ user: 'bob', jti: 'b' });
      expect(log.covers(session({ user: 'alice', issuedAt: 999 }))).toBe(true);
      expect(log.covers(session({ user: 'alice', issuedAt: 1_001 }))).toBe(false);
      expect(log.covers(session({ user: 'carol', issuedAt: 999 }))).toBe(false);
      expect(log.covers(session({ user: 'bob', jti: 'b' }))).toBe(true);
      expect(log.covers(session({ user: 'bob', jti: 'c' }))).toBe(false);
      expect(log.covers(session({ user: 'alice', jti: 'b', issuedAt: 2_000 }))).toBe(false);
    });

    it('keeps a wide revocation when a narrower one follows', async () => {
      const log = await node();
      await log.add({ user: 'alice', issuedBefore: 2_000 });
      await log.add({ user: 'alice', issuedBefore: 1_000 });
      expect(log.covers(session({ user: 'alice', issuedAt: 1_500 }))).toBe(true);
    });

    it('tells of what it added itself', async () => {
      const told: Revocation[] = [];
      const log = await node((revocation) => void told.push(revocation));
      await log.add({ jti: 'a' });
      await vi.waitFor(() => expect(told).toEqual([{ jti: 'a' }]), 5_000);
    });

    if (!shared) return;

    it('reaches another node at its refresh(), and by itself soon after', async () => {
      const told: Revocation[] = [];
      const one = await node();
      const two = await node((revocation) => void told.push(revocation));
      await one.add({ jti: 'a' });
      await two.refresh();
      expect(two.covers(session({ jti: 'a' }))).toBe(true);
      await one.add({ user: 'alice' });
      await vi.waitFor(() => expect(two.covers(session({ user: 'alice' }))).toBe(true), 5_000);
      expect(told).toEqual([{ jti: 'a' }, { user: 'alice' }]);
    });

    it('gives a new node the full copy before start() resolves, without telling of it', async () => {
      const one = await node();
      await Promise.all(Array.from({ length: 2_500 }, (_, index) => one.add({ jti: `token-${index}` })));
      const told: Revocation[] = [];
      const two = await node((revocation) => void told.push(revocation));
      expect(two.loaded).toBe(true);
      for (const index of [0, 999, 1_000, 2_499])
        expect(two.covers(session({ jti: `token-${index}` }))).toBe(true);
      expect(told).toEqual([]);
    });
  });
}

function session(fields: Partial<Session>): Session {
  return { user: 'dave', claims: {}, ...fields };
}

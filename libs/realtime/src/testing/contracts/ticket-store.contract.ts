import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Session } from '../../connections/session.js';
import type { TicketStore } from '../../handshake/ticket-store.js';

interface OpenTicketStore {
  readonly store: TicketStore;
  readonly close: () => Promise<void>;
}

const LIFE_MS = 30_000;
const TAKERS = 50;

/** What every `TicketStore` must do. Run it in a spec of the driver; `open` gives a fresh store and its end. */
export function describeTicketStore(name: string, open: () => Promise<OpenTicketStore>): void {
  describe(`${name} as a ticket store`, () => {
    let opened: OpenTicketStore;
    let digest: string;
    beforeEach(async () => {
      opened = await open();
      digest = randomUUID();
    });
    afterEach(() => opened.close());

    it('gives back the whole session, unshared', async () => {
      const session: Session = {
        user: 'ålice',
        tenant: 'acme',
        claims: { sub: 'ålice', roles: ['admin'], nested: { deep: null } },
        expiresAt: 2_000_000_000_000,
        issuedAt: 1_700_000_000_000,
        jti: 'j-1',
      };
      await opened.store.put(digest, session, LIFE_MS);
      const taken = await opened.store.take(digest);
      expect(taken).toEqual(session);
      expect(taken).not.toBe(session);
    });

    it('keeps absent fields absent', async () => {
      await opened.store.put(digest, { user: 'alice', claims: {} }, LIFE_MS);
      expect(Object.keys((await opened.store.take(digest)) ?? {})).toEqual(['user', 'claims']);
    });

    it('knows nothing of a digest that was never put', async () => {
      expect(await opened.store.take(digest)).toBeUndefined();
      expect(await opened.store.peek(digest)).toBeUndefined();
    });

    it('gives a session once', async () => {
      await opened.store.put(digest, { user: 'alice', claims: {} }, LIFE_MS);
      expect(await opened.store.take(digest)).toMatchObject({ user: 'alice' });
      expect(await opened.store.take(digest)).toBeUndefined();
      expect(await opened.store.peek(digest)).toBeUndefined();
    });

    it('gives a session to exactly one of many concurrent takers', async () => {
      await opened.store.put(digest, { user: 'alice', claims: {} }, LIFE_MS);
      const taken = await Promise.all(Array.from({ length: TAKERS }, () => opened.store.take(digest)));
      expect(taken.filter((session) => session !== undefined)).toHaveLength(1);
    });

    it('uses nothing up by peeking', async () => {
      await opened.store.put(digest, { user: 'alice', claims: {} }, LIFE_MS);
      expect(await opened.store.peek(digest)).toMatchObject({ user: 'alice' });
      expect(await opened.store.peek(digest)).toMatchObject({ user: 'alice' });
      expect(await opened.store.take(digest)).toMatchObject({ user: 'alice' });
    });

    it('forgets a session when its time is over', async () => {
      await opened.store.put(digest, { user: 'alice', claims: {} }, 50);
      await expect.poll(() => opened.store.peek(digest)).toBeUndefined();
      expect(await opened.store.take(digest)).toBeUndefined();
    });

    it('keeps digests apart', async () => {
      await opened.store.put(`${digest}-a`, { user: 'alice', claims: {} }, LIFE_MS);
      await opened.store.put(`${digest}-b`, { user: 'bob', claims: {} }, LIFE_MS);
      expect(await opened.store.take(`${digest}-b`)).toMatchObject({ user: 'bob' });
      expect(await opened.store.take(`${digest}-a`)).toMatchObject({ user: 'alice' });
    });
  });
}

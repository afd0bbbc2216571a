import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BackplaneUnavailable } from '../publishing/backplane.js';
import type { AnnouncedChange } from './presence-change.js';
import { PresenceReplica } from './presence-replica.js';
import type { PresencePage } from './presence-store.js';

const REWRITE_MS = 20_000;
/** Where the versions of a store begin that lost its data a second after it began with 4. */
const ANEW = 1_000_004;

type Step = () => PresencePage | Promise<PresencePage>;

/** A replica whose store answers each reading of a page with the next step. */
function replicaOf(...steps: Step[]): PresenceReplica {
  const next = async (): Promise<PresencePage> => {
    const step = steps.shift();
    if (step === undefined) throw new Error('more was read than there is');
    return step();
  };
  return new PresenceReplica('room:7', { store: { page: next }, rewriteMs: REWRITE_MS });
}

function page(version: number, users: readonly string[], more = false): PresencePage {
  return { version, members: users.map((user) => ({ user, connections: 1 })), more };
}

function join(user: string, version: number): AnnouncedChange {
  return { joins: true, user, version };
}

function leave(user: string, version: number): AnnouncedChange {
  return { joins: false, user, version };
}

function known(replica: PresenceReplica) {
  const { version, users } = replica.page({ limit: 100 });
  return { version, users };
}

describe('the members that a node knows', () => {
  it('are those of all pages, with what changed since the first one on top', async () => {
    const replica = replicaOf(
      () => page(4, ['ann', 'bob'], true),
      () => {
        for (const change of [leave('ann', 5), join('eve', 6), leave('sue', 7)])
          expect(replica.apply(change)).toBe('waits');
        return page(6, ['eve', 'sue']);
      },
    );
    expect(await replica.read()).toBe(true);
    expect(known(replica)).toEqual({ version: 7, users: ['bob', 'eve'] });
  });

  it('are read again where a change in between is missing', async () => {
    const replica = replicaOf(
      () => {
        replica.apply(join('joe', 9));
        return page(4, ['ann']);
      },
      () => page(9, ['ann', 'bob', 'joe']),
    );
    await replica.read();
    expect(known(replica)).toEqual({ version: 9, users: ['ann', 'bob', 'joe'] });
    expect([join('joe', 9), leave('bob', 11), leave('bob', 10)].map((one) => replica.apply(one))).toEqual([
      'old',
      'gap',
      'next',
    ]);
  });

  it('are as before where the store does not answer, and are read once for all who ask meanwhile', async () => {
    const away = new BackplaneUnavailable('away');
    const replica = replicaOf(
      () => page(4, ['ann']),
      () => Promise.reject(away),
      () => page(5, ['ann', 'bob']),
    );
    await replica.read();
    await expect(Promise.all([replica.read(), replica.read()])).rejects.toBe(away);
    expect(known(replica)).toEqual({ version: 4, users: ['ann'] });
    expect(replica.apply(join('bob', 5))).toBe('next');
    expect(await replica.read()).toBe(false);
  });

  it('may begin at any version again once nobody was there', async () => {
    const replica = replicaOf(() => page(4, ['ann']));
    await replica.read();
    expect([leave('ann', 5), join('bob', 1_000)].map((one) => replica.apply(one))).toEqual(['next', 'next']);
    expect(known(replica)).toEqual({ version: 1_000, users: ['bob'] });
  });

  describe('and that the store forgot', () => {
    beforeEach(() => {
      vi.useFakeTimers({ toFake: ['performance'] });
    });
    afterEach(() => {
      vi.useRealTimers();
    });

    it.each([
      ['has some of them again', ANEW, ['bob']],
      ['has nobody', 0, []],
      ['has older data', 2, ['bob']],
    ])('stay while they may be written anew, where it %s', async (_what, version, users) => {
      const replica = replicaOf(
        () => page(4, ['ann', 'bob', 'eve']),
        () => page(version, users),
      );
      await replica.read();
      expect(await replica.read()).toBe(true);
      expect(known(replica)).toEqual({ version, users: ['ann', 'bob', 'eve'] });
      const next = version === 0 ? ANEW : version + 1;
      expect([join('ann', next), leave('eve', next + 1)].map((one) => replica.apply(one))).toEqual([
        'next',
        'next',
      ]);
      vi.advanceTimersByTime(REWRITE_MS - 1);
      expect(replica.hasOverdue).toBe(false);
      expect(known(replica).users).toEqual(['ann', 'bob']);
    });

    it('have left where they were not written in time', async () => {
      const replica = replicaOf(
        () => page(4, ['ann', 'bob', 'eve']),
        () => page(ANEW, ['bob']),
        () => page(ANEW + 3, ['bob', 'joe']),
      );
      await replica.read();
      await replica.read();
      // A change that is missed meanwhile confirms nobody else.
      vi.advanceTimersByTime(REWRITE_MS / 2);
      await replica.read();
      expect(known(replica).users).toEqual(['ann', 'bob', 'eve', 'joe']);
      vi.advanceTimersByTime(REWRITE_MS / 2);
      expect(replica.hasOverdue).toBe(true);
      replica.dropOverdue();
      expect([known(replica), replica.hasOverdue]).toEqual([
        { version: ANEW + 3, users: ['bob', 'joe'] },
        false,
      ]);
    });

    it('are none where only changes were missed', async () => {
      const replica = replicaOf(
        () => page(4, ['ann', 'bob']),
        () => page(5_000, ['bob']),
      );
      await replica.read();
      await replica.read();
      expect(known(replica)).toEqual({ version: 5_000, users: ['bob'] });
    });

    it('do not hide that nobody else is there: the next version may be any', async () => {
      const replica = replicaOf(
        () => page(4, ['ann']),
        () => page(ANEW, ['bob']),
      );
      await replica.read();
      await replica.read();
      expect([leave('bob', ANEW + 1), join('bob', 9 * ANEW)].map((one) => replica.apply(one))).toEqual([
        'next',
        'next',
      ]);
      expect(known(replica)).toEqual({ version: 9 * ANEW, users: ['ann', 'bob'] });
    });
  });

  it('have on exactly one page a user who is not written yet', async () => {
    const replica = replicaOf(() => page(4, ['ann', 'bob', 'eve', 'joe']));
    await replica.read();
    const read: string[] = [];
    for (let after: string | undefined, more = true; more; after = read.at(-1)) {
      const some = replica.page({ after, limit: 2 }, 'cat');
      read.push(...some.users);
      more = some.more;
    }
    expect(read).toEqual(['ann', 'bob', 'cat', 'eve', 'joe']);
  });
});

import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PresenceChange, PresenceStore } from '../../presence/presence-store.js';
import type { Backplane } from '../../publishing/backplane.js';
import { presenceChannel } from '../../publishing/internal-channels.js';
import type { Lease } from '../../sessions/node-directory.js';

/** What a driver brings to the suite: an empty store, and a backplane that hears what it announces. */
export interface PresenceFixture {
  readonly store: PresenceStore;
  readonly backplane: Backplane;
  /** The store's time. Epoch milliseconds. */
  now(): Promise<number>;
  close(): Promise<void>;
}

interface Told {
  readonly event: string;
  readonly data: {
    readonly channel: string;
    readonly user: string;
    readonly version: number;
    readonly at: number;
  };
}

const CHANNEL = 'room:7';
const WAIT = { timeout: 5_000, interval: 20 };

/** The contract of the `PresenceStore` port, for any driver. */
export function describePresenceStore(name: string, open: () => Promise<PresenceFixture>): void {
  describe(`the ${name} presence store`, () => {
    let fixture: PresenceFixture;
    let store: PresenceStore;
    let told: Told[];
    let one: Lease;
    let two: Lease;

    beforeEach(async () => {
      fixture = await open();
      ({ store } = fixture);
      told = [];
      await fixture.backplane.start({
        deliver: (_channel, frame) => void told.push(JSON.parse(Buffer.from(frame).toString()) as Told),
        gap: () => undefined,
      });
      await fixture.backplane.subscribe(presenceChannel(CHANNEL));
      const leaseUntil = (await fixture.now()) + 60_000;
      one = { node: 'one', fence: randomUUID(), leaseUntil };
      two = { node: 'two', fence: randomUUID(), leaseUntil };
    });
    afterEach(async () => {
      await fixture.backplane.close();
      await fixture.close();
    });

    const enter = (lease: Lease, user: string, connection = user): Promise<readonly boolean[]> =>
      store.write(lease, [entering(user, connection)]);
    const leave = (lease: Lease, connection: string, graceMs = 0): Promise<readonly boolean[]> =>
      store.write(lease, [leaving(connection, graceMs)]);
    const members = async (): Promise<readonly string[]> =>
      (await store.page(CHANNEL, { limit: 1_000 })).members.map(
        ({ user, connections }) => `${user} ${connections}`,
      );
    const sweepAll = async (lease: Lease, fence: string): Promise<number> => {
      let removed = 0;
      for (;;) {
        const step = await store.sweep(lease, fence);
        removed += step.removed;
        if (step.state !== 'more') return removed;
      }
    };
    const story = (): readonly string[] => told.map(({ event, data }) => `${event} ${data.user}`);
    const hears = (...events: readonly string[]): Promise<void> =>
      vi.waitFor(() => expect(story()).toEqual(events), WAIT);
    const isContiguous = (): boolean =>
      told.every(
        ({ data }, index) => index === 0 || data.version === (told[index - 1]?.data.version ?? 0) + 1,
      );

    it('has one member per user, with a count of connections on all nodes', async () => {
      await enter(one, 'alice', 'a');
      await enter(two, 'alice', 'b');
      await enter(two, 'Zoë "x" \\ /y', 'c');
      expect(await members()).toEqual(['Zoë "x" \\ /y 1', 'alice 2']);
      await hears('$join alice', '$join Zoë "x" \\ /y');
      await leave(one, 'a');
      expect(await members()).toEqual(['Zoë "x" \\ /y 1', 'alice 1']);
      await leave(two, 'b');
      await leave(two, 'c');
      await hears('$join alice', '$join Zoë "x" \\ /y', '$leave alice', '$leave Zoë "x" \\ /y');
      expect(await store.page(CHANNEL, { limit: 1 })).toEqual({ version: 0, members: [], more: false });
    });

    it('announces each change with the next version, which a page shows', async () => {
      await store.write(one, [entering('alice'), entering('bob'), leaving('alice', 0)]);
      await hears('$join alice', '$join bob', '$leave alice');
      expect(isContiguous()).toBe(true);
      expect((await store.page(CHANNEL, { limit: 1 })).version).toBe(told[2]?.data.version);
      expect(told[0]?.data).toEqual({
        channel: CHANNEL,
        user: 'alice',
        version: expect.any(Number) as number,
        at: expect.any(Number) as number,
      });
      expect(Math.abs((told[0]?.data.at ?? 0) - (await fixture.now()))).toBeLessThan(60_000);
    });

    it('never shows a version that the channel had before it was empty', async () => {
      await store.write(one, [entering('alice'), leaving('alice', 0), entering('alice')]);
      await hears('$join alice', '$leave alice', '$join alice');
      expect(told[2]?.data.version).toBeGreaterThan(told[1]?.data.version ?? Infinity);
    });

    it('lets a repeated change bring about nothing more', async () => {
      await enter(one, 'alice');
      await enter(one, 'alice');
      expect(await members()).toEqual(['alice 1']);
      await leave(one, 'alice');
      await leave(one, 'alice');
      await enter(one, 'bob');
      await hears('$join alice', '$leave alice', '$join bob');
    });

    it('keeps channels apart', async () => {
      const other = { channel: 'room:8', connection: 'a' };
      await store.write(one, [entering('alice', 'a'), { type: 'enter', ...other, user: 'alice' }]);
      await store.write(one, [{ type: 'leave', ...other, graceMs: 0 }]);
      expect(await members()).toEqual(['alice 1']);
      expect((await store.page('room:8', { limit: 1 })).members).toEqual([]);
    });

    it('gives its members in pages, in the order of their bytes', async () => {
      const users = Array.from({ length: 25 }, (_, index) => `user-${String(index).padStart(2, '0')}`);
      await store.write(
        one,
        users.toReversed().map((user) => entering(user)),
      );
      const first = await store.page(CHANNEL, { limit: 10 });
      const second = await store.page(CHANNEL, { after: 'user-09', limit: 10 });
      const third = await store.page(CHANNEL, { after: 'user-19', limit: 10 });
      expect([first.more, second.more, third.more]).toEqual([true, true, false]);
      expect([first, second, third].flatMap((page) => page.members.map(({ user }) => user))).toEqual(users);
      const exact = await store.page(CHANNEL, { after: 'user-14', limit: 10 });
      expect([exact.members.length, exact.more]).toEqual([10, false]);
    });

    it('writes nothing, ends nothing and sweeps nothing under a lease that is over', async () => {
      const over = { ...one, leaseUntil: await fixture.now() };
      await enter(one, 'alice');
      expect(await store.write(over, [entering('bob'), leaving('alice', 0)])).toEqual([false, false]);
      expect(await leave(over, 'alice')).toEqual([false]);
      expect(await store.sweep(over, one.fence)).toEqual({ state: 'refused', removed: 0 });
      await store.endGraces(over);
      expect(await members()).toEqual(['alice 1']);
    });

    describe('a member whose last connection was lost', () => {
      it('stays for its grace, and then leaves once, whoever looks', async () => {
        await enter(one, 'alice');
        await leave(one, 'alice', 300);
        expect(await members()).toEqual(['alice 0']);
        await vi.waitFor(async () => {
          await Promise.all([one, two, one, two].map((lease) => store.endGraces(lease)));
          expect(await members()).toEqual([]);
        }, WAIT);
        await enter(one, 'bob');
        await hears('$join alice', '$leave alice', '$join bob');
      });

      it('is not told of where it is back in time', async () => {
        await enter(one, 'alice', 'a');
        await leave(one, 'a', 60_000);
        await enter(two, 'alice', 'b');
        expect(await members()).toEqual(['alice 1']);
        await leave(two, 'b');
        await hears('$join alice', '$leave alice');
      });

      it('gets the grace of the device that was lost, though another one says goodbye last', async () => {
        await enter(one, 'alice', 'phone');
        await enter(one, 'alice', 'laptop');
        await leave(one, 'phone', 60_000);
        await leave(one, 'laptop');
        expect(await members()).toEqual(['alice 0']);
      });

      it('leaves at its own time, whichever graces run beside it', async () => {
        await store.write(one, [entering('alice'), entering('bob'), entering('carol')]);
        await store.write(one, [leaving('carol', 60_000), leaving('alice', 1_500), leaving('bob', 100)]);
        await vi.waitFor(async () => {
          await store.endGraces(two);
          expect(await members()).toEqual(['carol 0']);
        }, WAIT);
        await hears('$join alice', '$join bob', '$join carol', '$leave bob', '$leave alice');
      });
    });

    describe('when a node is swept', () => {
      it('removes all of it in every channel, each once and without grace, and nothing of the others', async () => {
        const users = Array.from({ length: 250 }, (_, index) => `user-${index}`);
        const elsewhere = users.map((user, index) => ({ ...entering(user), channel: `other:${index % 70}` }));
        await store.write(one, [...users.map((user) => entering(user)), ...elsewhere]);
        await enter(two, 'user-0', 'other');
        const removed = await Promise.all([sweepAll(two, one.fence), sweepAll(two, one.fence)]);
        expect(removed[0] + removed[1]).toBe(500);
        expect(await members()).toEqual(['user-0 1']);
        expect((await store.page('other:3', { limit: 10 })).members).toEqual([]);
        await vi.waitFor(() => expect(told).toHaveLength(499), WAIT);
        expect(new Set(story()).size).toBe(499);
        expect(isContiguous()).toBe(true);
        expect(await store.sweep(two, one.fence)).toEqual({ state: 'swept', removed: 0 });
      });

      it('leaves what has moved to another fence, and its own node still removes that', async () => {
        await enter(one, 'alice');
        const anew = { ...one, fence: randomUUID() };
        await enter(anew, 'alice');
        expect(await sweepAll(two, one.fence)).toBe(0);
        expect(await members()).toEqual(['alice 1']);
        await leave(anew, 'alice');
        await hears('$join alice', '$leave alice');
      });

      it('keeps the grace that another device began', async () => {
        await enter(one, 'alice', 'swept');
        await enter(two, 'alice', 'lost');
        await leave(two, 'lost', 400);
        await sweepAll(two, one.fence);
        expect(await members()).toEqual(['alice 0']);
        await vi.waitFor(async () => {
          await store.endGraces(two);
          expect(await members()).toEqual([]);
        }, WAIT);
      });
    });
  });
}

function entering(user: string, connection = user): PresenceChange {
  return { type: 'enter', channel: CHANNEL, connection, user };
}

function leaving(connection: string, graceMs: number): PresenceChange {
  return { type: 'leave', channel: CHANNEL, connection, graceMs };
}

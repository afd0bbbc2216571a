import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Lease } from '../../sessions/node-directory.js';
import type { SessionEvent } from '../../sessions/session-event.js';
import type { Leaving, SessionRegistry, Written } from '../../sessions/session-registry.js';
import {
  type EnterOptions,
  entering,
  eventsOf,
  first,
  leaving,
  recordOf,
  typesOf,
} from './session-changes.js';

/** What a driver brings to the suite: an empty store, whose events others may claim after 300 ms. */
export interface SessionRegistryFixture {
  readonly registry: SessionRegistry;
  /** The store's time. Epoch milliseconds. */
  now(): Promise<number>;
  close(): Promise<void>;
}

export const CONTRACT_CLAIM_MS = 300;
const WAIT = { timeout: 5_000, interval: 20 };

/** The contract of the `SessionRegistry` port, for any driver. */
export function describeSessionRegistry(name: string, open: () => Promise<SessionRegistryFixture>): void {
  describe(`the ${name} session registry`, () => {
    let fixture: SessionRegistryFixture;
    let registry: SessionRegistry;
    let one: Lease;
    let two: Lease;

    beforeEach(async () => {
      fixture = await open();
      ({ registry } = fixture);
      const leaseUntil = (await fixture.now()) + 60_000;
      one = { node: 'one', fence: randomUUID(), leaseUntil };
      two = { node: 'two', fence: randomUUID(), leaseUntil };
    });
    afterEach(() => fixture.close());

    const enter = (lease: Lease, user: string, options: EnterOptions = {}): Promise<Written> =>
      first(registry.write(lease, [entering(lease, user, options)]));
    const leave = (lease: Lease, user: string, left: string | Partial<Leaving>): Promise<Written> =>
      first(registry.write(lease, [leaving(user, typeof left === 'string' ? { connection: left } : left)]));
    const idsOf = async (user: string): Promise<readonly string[]> =>
      (await registry.ofUser(user)).connections.map(({ id }) => id).toSorted();
    const sweepAll = async (lease: Lease, fence: string) => {
      const events: SessionEvent[] = [];
      for (;;) {
        const step = await registry.sweep(lease, fence);
        events.push(...step.events);
        if (step.state !== 'more') return { ...step, events };
      }
    };

    it('knows the connections of a user on every node, as they were given', async () => {
      const record = recordOf(one, {
        id: 'a',
        tenant: 'acme',
        openedAt: 1_795_328_982_900,
        expiresAt: 1_795_332_582_000,
      });
      await enter(one, 'ålice {x} y', { record });
      await enter(two, 'ålice {x} y', { id: 'b' });
      await enter(two, 'bob', { id: 'c' });
      const { online, connections } = await registry.ofUser('ålice {x} y');
      expect(online).toBe(true);
      expect(connections).toHaveLength(2);
      expect(connections).toContainEqual(record);
      expect(await registry.ofUser('nobody')).toEqual({ online: false, connections: [] });
    });

    it('brings a record up to date when the same connection enters again', async () => {
      await enter(one, 'alice', { id: 'a' });
      await enter(one, 'alice', { record: recordOf(one, { id: 'a', expiresAt: 5 }), again: true });
      expect((await registry.ofUser('alice')).connections).toEqual([
        recordOf(one, { id: 'a', expiresAt: 5 }),
      ]);
    });

    it('tells of the first connection as online, and of the end of the last one as offline', async () => {
      const story = [
        ...(await eventsOf(enter(one, 'alice', { id: 'a' }))),
        ...(await eventsOf(enter(two, 'alice', { id: 'b' }))),
        ...(await eventsOf(leave(one, 'alice', { connection: 'a', code: 1000, reason: 'normal' }))),
        ...(await eventsOf(leave(two, 'alice', { connection: 'b', code: 4403, reason: 'disconnected' }))),
      ];
      const about = { user: 'alice', at: expect.any(Number) as number };
      expect(story).toEqual([
        { id: 'a.connected', type: 'connected', ...about, connection: 'a', node: 'one' },
        { id: 'a.online', type: 'online', ...about },
        { id: 'b.connected', type: 'connected', ...about, connection: 'b', node: 'two' },
        {
          id: 'a.disconnected',
          type: 'disconnected',
          ...about,
          connection: 'a',
          node: 'one',
          code: 1000,
          reason: 'normal',
        },
        {
          id: 'b.disconnected',
          type: 'disconnected',
          ...about,
          connection: 'b',
          node: 'two',
          code: 4403,
          reason: 'disconnected',
        },
        { id: 'a.offline', type: 'offline', ...about },
      ]);
      expect(await registry.ofUser('alice')).toEqual({ online: false, connections: [] });
    });

    it('tells nothing of what nobody wants to hear, nor of what is no news', async () => {
      expect(await eventsOf(enter(one, 'alice', { id: 'a', told: false }))).toEqual([]);
      expect(await eventsOf(leave(one, 'alice', 'a'))).toEqual([]);
      expect(await eventsOf(enter(one, 'bob', { id: 'b', again: true }))).toEqual([]);
      expect((await registry.ofUser('bob')).online).toBe(true);
    });

    it('names the tenant of a connection that comes or goes', async () => {
      const record = recordOf(one, { id: 'a', tenant: 'acme' });
      const [connected] = await eventsOf(enter(one, 'alice', { record }));
      const [disconnected] = await eventsOf(leave(one, 'alice', 'a'));
      expect([connected, disconnected]).toMatchObject([{ tenant: 'acme' }, { tenant: 'acme' }]);
    });

    it('lets a repeated change bring about nothing more', async () => {
      await enter(one, 'alice', { id: 'a' });
      expect(await eventsOf(enter(one, 'alice', { id: 'a' }))).toEqual([]);
      await leave(one, 'alice', 'a');
      expect(await eventsOf(leave(one, 'alice', 'a'))).toEqual([]);
    });

    it('applies the changes of one write in order', async () => {
      const changes = [
        entering(one, 'alice', { id: 'a' }),
        leaving('alice', { connection: 'a' }),
        entering(one, 'alice', { id: 'b' }),
      ];
      const written = await registry.write(one, changes);
      expect(written.map(typesOf)).toEqual([
        ['connected', 'online'],
        ['disconnected', 'offline'],
        ['connected', 'online'],
      ]);
      expect(await idsOf('alice')).toEqual(['b']);
    });

    describe('under a lease that is over', () => {
      it('writes nothing, removes nothing, sweeps nothing and claims nothing', async () => {
        const over = { ...one, leaseUntil: await fixture.now() };
        await enter(one, 'alice', { id: 'a' });
        await leave(one, 'bob', 'none');
        expect(await enter(over, 'bob')).toEqual({ ok: false });
        expect(await leave(over, 'alice', 'a')).toEqual({ ok: false });
        expect(await registry.sweep(over, one.fence)).toMatchObject({ state: 'refused', removed: 0 });
        expect(await registry.claimDue(over, { listening: true })).toEqual([]);
        expect(await idsOf('alice')).toEqual(['a']);
        expect(await idsOf('bob')).toEqual([]);
      });
    });

    describe('when the last connection is lost', () => {
      it('keeps its user online for the grace, and then takes it offline once, whoever looks', async () => {
        await enter(one, 'alice', { id: 'a' });
        expect(typesOf(await leave(one, 'alice', { connection: 'a', graceMs: 200 }))).toEqual([
          'disconnected',
        ]);
        expect(await registry.ofUser('alice')).toEqual({ online: true, connections: [] });
        const offline: SessionEvent[] = [];
        await vi.waitFor(async () => {
          const claims = [one, two, one, two].map((lease) => registry.claimDue(lease, { listening: false }));
          offline.push(...(await Promise.all(claims)).flat());
          expect((await registry.ofUser('alice')).online).toBe(false);
        }, WAIT);
        expect(offline.map(({ id }) => id)).toEqual(['a.offline']);
      });

      it('takes it for uninterrupted where it is back in time', async () => {
        await enter(one, 'alice', { id: 'a' });
        await leave(one, 'alice', { connection: 'a', graceMs: 60_000 });
        expect(typesOf(await enter(two, 'alice', { id: 'b' }))).toEqual(['connected']);
        expect(typesOf(await leave(two, 'alice', 'b'))).toEqual(['disconnected', 'offline']);
      });

      it('gives it the grace of a device that was lost, though another one says goodbye last', async () => {
        await enter(one, 'alice', { id: 'phone' });
        await enter(one, 'alice', { id: 'laptop' });
        await leave(one, 'alice', { connection: 'phone', graceMs: 60_000 });
        expect(typesOf(await leave(one, 'alice', 'laptop'))).toEqual(['disconnected']);
        expect((await registry.ofUser('alice')).online).toBe(true);
      });
    });

    describe('when a node is swept', () => {
      it('removes all of it and nothing of the others, each once, as node_lost and without grace', async () => {
        const users = Array.from({ length: 40 }, (_, index) => `user-${index}`);
        await registry.write(
          one,
          users.flatMap((user) => [0, 1, 2].map((n) => entering(one, user, { id: `${user}-${n}` }))),
        );
        await enter(two, 'user-0', { id: 'other' });
        const sweeps = await Promise.all([sweepAll(two, one.fence), sweepAll(two, one.fence)]);
        const events = sweeps.flatMap((sweep) => sweep.events);
        const disconnected = events.filter(({ type }) => type === 'disconnected');
        expect(disconnected).toHaveLength(120);
        expect(new Set(disconnected.map(({ id }) => id)).size).toBe(120);
        expect(disconnected[0]).toMatchObject({ node: 'one', code: 1006, reason: 'node_lost' });
        expect(events.filter(({ type }) => type === 'offline')).toHaveLength(39);
        expect(await idsOf('user-0')).toEqual(['other']);
        expect(await registry.sweep(two, one.fence)).toEqual({ state: 'swept', removed: 0, events: [] });
      });

      it('leaves what has moved to another fence, and its own node still removes that', async () => {
        await enter(one, 'alice', { id: 'a' });
        const anew = { ...one, fence: randomUUID() };
        await enter(anew, 'alice', { id: 'a', again: true });
        expect(await sweepAll(two, one.fence)).toMatchObject({ removed: 0, events: [] });
        expect(typesOf(await leave(anew, 'alice', 'a'))).toEqual(['disconnected', 'offline']);
      });

      it('gives the leave to either the node or its sweeper', async () => {
        await enter(one, 'alice', { id: 'a' });
        const [own, swept] = await Promise.all([
          eventsOf(leave(one, 'alice', 'a')),
          sweepAll(two, one.fence),
        ]);
        const ids = [...own, ...swept.events].map(({ id }) => id);
        expect(ids.toSorted()).toEqual(['a.disconnected', 'a.offline']);
      });
    });

    describe('an event that nobody acknowledges', () => {
      const claims = async (): Promise<readonly SessionEvent[]> =>
        registry.claimDue(two, { listening: true });

      it('is given to another node after a while, the same, and to one at a time', async () => {
        const [connected] = await eventsOf(enter(one, 'alice', { id: 'a' }));
        expect(await claims()).toEqual([]);
        const claimed: SessionEvent[] = [];
        await vi.waitFor(async () => {
          claimed.push(...(await Promise.all([claims(), claims()])).flat());
          expect(claimed.length).toBeGreaterThan(0);
        }, WAIT);
        expect(claimed.map(({ id }) => id).toSorted()).toEqual(['a.connected', 'a.online']);
        expect(claimed).toContainEqual(connected);
      });

      it('is not given to a node that does not listen', async () => {
        await enter(one, 'alice', { id: 'a' });
        await vi.waitFor(async () => {
          expect(await registry.claimDue(two, { listening: false })).toEqual([]);
          expect(await claims()).toHaveLength(2);
        }, WAIT);
      });

      it('is given to nobody once it was acknowledged', async () => {
        await registry.acknowledge(await eventsOf(enter(one, 'alice', { id: 'a' })));
        await enter(one, 'bob', { id: 'b' });
        const claimed: SessionEvent[] = [];
        await vi.waitFor(async () => {
          claimed.push(...(await claims()));
          expect(claimed).toHaveLength(2);
        }, WAIT);
        expect(claimed.map(({ user }) => user)).toEqual(['bob', 'bob']);
      });
    });

    describe('a limit per user', () => {
      it('has room for so many, those on their way included, on all nodes together', async () => {
        await enter(one, 'alice', { id: 'a' });
        expect(await registry.hold('alice', 2, 0)).toBe(true);
        const holds = await Promise.all([1, 2, 3].map(() => registry.hold('alice', 2, 60_000)));
        expect(holds.filter(Boolean)).toHaveLength(1);
        expect(await registry.hold('alice', 3, 0)).toBe(true);
        expect(await registry.hold('bob', 1, 60_000)).toBe(true);
      });

      it('counts a place that was held once, when its connection has entered', async () => {
        const limit = { max: 2, overflow: 'refuse' } as const;
        expect(await registry.hold('alice', 2, 60_000)).toBe(true);
        await enter(one, 'alice', { id: 'a', limit });
        expect(await registry.hold('alice', 2, 60_000)).toBe(true);
        await enter(two, 'alice', { id: 'b', limit });
        expect(await registry.hold('alice', 2, 60_000)).toBe(false);
        await leave(one, 'alice', 'a');
        expect(await registry.hold('alice', 2, 60_000)).toBe(true);
      });

      it('leaves places to those on their way when a connection that has entered is written again', async () => {
        const limit = { max: 2, overflow: 'refuse' } as const;
        await enter(one, 'alice', { id: 'a', limit });
        expect(await registry.hold('alice', 2, 60_000)).toBe(true);
        await enter(one, 'alice', { id: 'a', limit });
        await enter(one, 'alice', { id: 'a', limit, again: true });
        expect(await registry.hold('alice', 2, 0)).toBe(false);
      });

      it('gives a place back that nobody took in time', async () => {
        expect(await registry.hold('alice', 1, 100)).toBe(true);
        await vi.waitFor(async () => expect(await registry.hold('alice', 1, 0)).toBe(true), WAIT);
      });

      it('names the oldest connections, of any node, that a newer one replaces', async () => {
        const limit = { max: 2, overflow: 'replace' } as const;
        await enter(one, 'alice', { record: recordOf(one, { id: 'b', openedAt: 2 }), limit });
        await enter(two, 'alice', { record: recordOf(two, { id: 'a', openedAt: 1 }), limit });
        const third = await enter(two, 'alice', { record: recordOf(two, { id: 'c', openedAt: 3 }), limit });
        expect(third).toMatchObject({ ok: true, surplus: ['a'] });
      });
    });
  });
}

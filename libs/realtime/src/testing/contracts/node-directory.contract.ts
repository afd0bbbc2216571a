import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LeaseClaim, NodeDirectory, NodeInfo, LeaseView } from '../../sessions/node-directory.js';

/** What a driver brings to the suite: an empty store. */
export interface NodeDirectoryFixture {
  readonly directory: NodeDirectory;
  close(): Promise<void>;
}

const WAIT = { timeout: 5_000, interval: 20 };
const TIMES = { marginMs: 0, againMs: [200, 60_000] };

/** The contract of the `NodeDirectory` port, for any driver. */
export function describeNodeDirectory(name: string, open: () => Promise<NodeDirectoryFixture>): void {
  describe(`the ${name} node directory`, () => {
    let fixture: NodeDirectoryFixture;
    let directory: NodeDirectory;
    let fence: string;

    beforeEach(async () => {
      fixture = await open();
      ({ directory } = fixture);
      fence = randomUUID();
    });
    afterEach(() => fixture.close());

    const renew = (options: Partial<LeaseClaim> = {}): Promise<LeaseView> =>
      directory.renew({ info: infoOf('one'), fence, leaseMs: 10_000, ...options });
    const look = (): Promise<LeaseView> =>
      renew({ fence: 'looks', info: infoOf('looks'), leaseMs: 1_000, joins: true });
    const untilDead = async (): Promise<LeaseView> => {
      await renew({ joins: true, leaseMs: 50 });
      return vi.waitFor(async () => {
        const view = await look();
        expect(view.dead).toHaveLength(1);
        return view;
      }, WAIT);
    };

    it('lists every node with a lease, with its latest numbers', async () => {
      await renew({ joins: true });
      await renew({ fence: 'two', info: infoOf('two'), joins: true });
      const { nodes } = await renew({ info: { ...infoOf('one'), connections: 4 } });
      expect(nodes).toBe(2);
      const listed = (await directory.list()).toSorted((a, b) => a.node.localeCompare(b.node));
      expect(listed).toEqual([{ ...infoOf('one'), connections: 4 }, infoOf('two')]);
    });

    it('forgets a node that withdrew', async () => {
      await renew({ joins: true });
      await directory.withdraw(fence);
      expect(await directory.list()).toEqual([]);
      expect((await renew()).state).toBe('absent');
    });

    it('answers absent to a lease that it does not know, and begins it only where the node joins', async () => {
      expect((await renew()).state).toBe('absent');
      expect(await directory.list()).toEqual([]);
      expect((await renew({ joins: true })).state).toBe('held');
      expect((await renew()).state).toBe('held');
    });

    it('holds a lease from the last renewal on, by its own time', async () => {
      const { leaseUntil } = await renew({ joins: true });
      await vi.waitFor(async () => expect((await renew()).leaseUntil).toBeGreaterThan(leaseUntil), WAIT);
    });

    it('holds a lease that had run out while nobody swept it', async () => {
      const { nodes, dead } = await untilDead();
      expect([nodes, dead[0]?.fence]).toEqual([1, fence]);
      expect((await directory.list()).map(({ node }) => node)).toEqual(['looks']);
      expect((await renew()).state).toBe('held');
      expect((await look()).dead).toEqual([]);
    });

    it('keeps the lease alive that a node is moving away from, and lists the node once', async () => {
      await renew({ joins: true, leaseMs: 50 });
      const info = { ...infoOf('one'), connections: 9 };
      await renew({ joins: true, fence: 'next', former: [fence], info });
      expect(await directory.list()).toEqual([info]);
      expect((await renew()).state).toBe('held');
    });

    it('gives a sweep to one of several who claim it, and its node is swept from then on', async () => {
      const { dead } = await untilDead();
      const claims = await Promise.all([1, 2, 3].map(() => directory.claimSweeps(dead, TIMES)));
      expect(claims.flat()).toEqual([fence]);
      expect((await renew()).state).toBe('swept');
      expect((await renew({ joins: true })).state).toBe('swept');
      expect(await directory.list()).toHaveLength(1);
    });

    it('gives no sweep of a lease that was renewed since it was seen dead', async () => {
      const { dead } = await untilDead();
      await renew({ leaseMs: 10_000 });
      expect(await directory.claimSweeps(dead, TIMES)).toEqual([]);
      expect((await renew()).state).toBe('held');
    });

    it('gives no sweep before the margin after its end has passed', async () => {
      const { dead } = await untilDead();
      expect(await directory.claimSweeps(dead, { ...TIMES, marginMs: 60_000 })).toEqual([]);
    });

    it('gives the same sweep again when its time comes, to anybody', async () => {
      const { dead } = await untilDead();
      expect(await directory.claimSweeps(dead, TIMES)).toEqual([fence]);
      expect((await look()).sweepsDue).toBe(false);
      await vi.waitFor(async () => expect((await look()).sweepsDue).toBe(true), WAIT);
      expect(await directory.claimSweeps([], TIMES)).toEqual([fence]);
      expect(await directory.claimSweeps([], TIMES)).toEqual([]);
    });

    it('tells which unbroken life of its data it speaks of', async () => {
      const { origin } = await renew({ joins: true });
      expect(origin).not.toBe('');
      expect((await renew()).origin).toBe(origin);
    });
  });
}

function infoOf(node: string): NodeInfo {
  return { node, connections: 3, users: 2, startedAt: 1, draining: false };
}

import { describe, it, vi } from 'vitest';
import { startRedis } from './support/redis-server.js';
import { SessionNode } from './support/session-node.js';

const ROOM = 'room:1';
const SOON = { timeout: 5_000, interval: 25 };
/** From a death to its sweep: the lease, the margin, two sightings, and room for a busy machine. */
const SWEPT = { timeout: 20_000, interval: 50 };

describe('the presence of a channel whose node is killed', () => {
  it(
    'loses its members once, and has no ghosts when the others have gone',
    { timeout: 90_000 },
    async ({ expect, onTestFinished }) => {
      const redis = await startRedis();
      onTestFinished(() => redis.stop());
      const env = { REDIS_URL: redis.url, LEASE_MS: '2000' };
      const nodes = ['one', 'two', 'three'].map((name) => new SessionNode(name, env));
      onTestFinished(async () => void (await Promise.all(nodes.map((node) => node.kill()))));
      const [first, second, third] = await Promise.all(nodes.map((node) => node.started()));
      if (first === undefined || second === undefined || third === undefined) throw new Error('three nodes');
      const usersOf = async (): Promise<readonly string[]> => {
        const { members } = await third.api<{ members: { user: string }[] }>(`presence?channel=${ROOM}`);
        return members.map(({ user }) => user);
      };

      const lost = ['ann', 'bob', 'eve'];
      for (const user of [...lost, 'joe'])
        await (await first.connect(user)).request('$subscribe', { channel: ROOM });
      const joe = await second.connect('joe');
      await joe.request('$subscribe', { channel: ROOM, presence: true });
      await vi.waitFor(async () => expect(await usersOf()).toEqual(['ann', 'bob', 'eve', 'joe']), SOON);
      await first.kill();

      const left = (): readonly string[] =>
        joe.received
          .filter(({ event }) => event === '$leave')
          .map(({ data }) => (data as { user: string }).user)
          .toSorted();
      await vi.waitFor(() => expect(left()).toEqual(lost), SWEPT);
      expect(await usersOf()).toEqual(['joe']);
      expect(joe.received.filter(({ event }) => event === '$presence')).toEqual([]);
      await joe.close();
      await vi.waitFor(async () => expect(await usersOf()).toEqual([]), SOON);
    },
  );
});

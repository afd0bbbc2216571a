import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BackplaneUnavailable } from '../publishing/backplane.js';
import { Refusal } from '../refusal.js';
import { HttpLinks } from './http-links.js';

const HOLDER = { user: 'ann', connection: 'c1' };
const NO_ANSWER = new Refusal('unavailable', 'no answer', { retryAfterSeconds: 1 });

const CONNECTION = {
  id: 'c1',
  node: 'far',
  user: 'ann',
  transport: 'long-polling',
  address: '192.0.2.1',
  openedAt: 0,
  expiresAt: null,
  channels: [],
} as const;

/** What is known of the node that holds the connection. */
let answer: unknown;
let living: ReadonlySet<string> | undefined;
/** What becomes of each look at the user's connections; then `c1` is found. */
let looks: ('away' | 'nobody')[] = [];
const links = new HttpLinks({
  registry: { onRemoved: () => () => undefined },
  sessions: {
    node: 'near',
    connectionsOf: async () => {
      const look = looks.shift();
      if (look === 'away') throw new BackplaneUnavailable('away');
      return look === 'nobody' ? [] : [CONNECTION];
    },
    hasLeft: async (node) => {
      if (living === undefined) throw new BackplaneUnavailable('away');
      return !living.has(node);
    },
    knowsEverybody: async () => living !== undefined,
  },
  calls: { handle: () => undefined, call: async () => answer },
});
const ask = (): Promise<unknown> => links.ask(HOLDER, { name: 'poll', data: null });

afterEach(() => vi.useRealTimers());
beforeEach(() => {
  looks = [];
  answer = NO_ANSWER;
  living = new Set(['near', 'far']);
});

describe('a request for a connection of another node', () => {
  it('brings what that node answers', async () => {
    answer = { state: 'held', data: 7 };
    living = new Set();
    expect(await ask()).toBe(7);
  });

  it('is to be tried again while the node may be there, or nobody knows', async () => {
    expect(await ask()).toMatchObject({ code: 'unavailable', retryAfterSeconds: 1 });
    living = undefined;
    expect(await ask()).toMatchObject({ code: 'unavailable' });
  });

  it('is told that the connection is over as soon as the node’s lease is', async () => {
    living = new Set(['near']);
    expect(await ask()).toMatchObject({ code: 'session_gone', status: 410 });
  });

  it('is over where nobody has it', async () => {
    vi.useFakeTimers();
    looks = Array.from({ length: 4 }, () => 'nobody');
    const answered = ask();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await answered).toMatchObject({ code: 'session_gone' });
  });

  it.each(['away', 'nobody'] as const)(
    'waits where that is not known for now (%s), and goes on as soon as it is',
    async (look) => {
      vi.useFakeTimers();
      answer = { state: 'held', data: 7 };
      living = undefined;
      looks = Array.from({ length: 6 }, () => look);
      const answered = ask();
      await vi.advanceTimersByTimeAsync(4_000);
      expect(await answered).toBe(7);
      looks = Array.from({ length: 20 }, () => look);
      const unanswered = ask();
      await vi.advanceTimersByTimeAsync(6_000);
      expect(await unanswered).toMatchObject({ code: 'unavailable', retryAfterSeconds: 1 });
    },
  );
});

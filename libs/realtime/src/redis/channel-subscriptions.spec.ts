import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { BackplaneUnavailable } from '../publishing/backplane.js';
import { ChannelSubscriptions } from './channel-subscriptions.js';

const TIMES = { deadlineMs: 1_000, lingerMs: 1_000 };

let asked: (readonly string[])[] = [];
let answer: () => Promise<unknown>;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  asked = [];
  answer = () => Promise.resolve();
});
afterEach(() => void vi.useRealTimers());

async function connected(): Promise<ChannelSubscriptions> {
  const subscriptions = new ChannelSubscriptions(
    {
      subscribe: (channels) => {
        asked.push(channels);
        return answer();
      },
      unsubscribe: () => answer(),
      batches: (channels) => (channels.length === 0 ? [] : [channels]),
    },
    TIMES,
  );
  await subscriptions.restore();
  return subscriptions;
}

const turnOfTheLoop = (): Promise<unknown> => new Promise(setImmediate);

it('asks at once for who comes alone', async () => {
  const subscriptions = await connected();
  for (const channel of ['a', 'b', 'c']) await subscriptions.subscribe(channel);
  expect(asked).toEqual([['a'], ['b'], ['c']]);
});

it('asks together for those of a crowd that come within 2 ms', async () => {
  const subscriptions = await connected();
  await Promise.all(['a', 'b'].map((channel) => subscriptions.subscribe(channel)));
  for (const channel of ['c', 'd', 'e']) {
    void subscriptions.subscribe(channel);
    await turnOfTheLoop();
  }
  expect(asked).toEqual([['a', 'b']]);
  await vi.advanceTimersByTimeAsync(2);
  expect(asked).toEqual([
    ['a', 'b'],
    ['c', 'd', 'e'],
  ]);
});

it('refuses everyone who waits for a channel when the time of the first is over', async () => {
  const subscriptions = await connected();
  answer = () => new Promise(() => undefined);
  const refused = [expect(subscriptions.subscribe('a')).rejects.toThrow(BackplaneUnavailable)];
  await turnOfTheLoop();
  await vi.advanceTimersByTimeAsync(999);
  refused.push(expect(subscriptions.subscribe('a')).rejects.toThrow(BackplaneUnavailable));
  await vi.advanceTimersByTimeAsync(1);
  await Promise.all(refused);
  expect(subscriptions.isWanted('a')).toBe(false);
});

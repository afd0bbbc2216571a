import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Turn, Turns } from './turns.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Who has begun, in order, with the turns. */
function line(turns: Turns, waitMs = 1_000) {
  const begun: string[] = [];
  const taken = new Map<string, Turn>();
  const join = async (name: string): Promise<void> => {
    const turn = await turns.take(waitMs);
    begun.push(turn === undefined ? `${name} left` : name);
    if (turn !== undefined) taken.set(name, turn);
  };
  return { begun, join: (name: string) => void join(name), end: (name: string) => taken.get(name)?.end() };
}

const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

it('lets so many at a time begin, and the others in the order in which they came', async () => {
  const { begun, join, end } = line(new Turns(2));
  for (const name of ['a', 'b', 'c', 'd', 'e']) join(name);
  await settled();
  expect(begun).toEqual(['a', 'b']);
  end('b');
  await settled();
  expect(begun).toEqual(['a', 'b', 'c']);
  end('a');
  end('c');
  await settled();
  expect(begun).toEqual(['a', 'b', 'c', 'd', 'e']);
});

it('lets nobody wait longer than that, and gives no turn to who has left', async () => {
  const { begun, join, end } = line(new Turns(1), 1_000);
  join('a');
  join('b');
  await vi.advanceTimersByTimeAsync(900);
  join('c');
  await vi.advanceTimersByTimeAsync(100);
  expect(begun).toEqual(['a', 'b left']);
  end('a');
  await settled();
  expect(begun).toEqual(['a', 'b left', 'c']);
  expect(vi.getTimerCount()).toBe(0);
});

it('has all its turns again after a crowd', async () => {
  const turns = new Turns(2);
  const crowd = line(turns);
  for (let index = 0; index < 10; index += 1) crowd.join(String(index));
  await settled();
  for (let index = 0; index < 10; index += 1) {
    crowd.end(String(index));
    await settled();
  }
  const late = line(turns);
  for (const name of ['x', 'y', 'z']) late.join(name);
  await settled();
  expect(late.begun).toEqual(['x', 'y']);
});

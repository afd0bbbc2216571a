import { afterEach, expect, it, vi } from 'vitest';
import { type Turn, Turns } from './turns.js';

afterEach(() => void vi.useRealTimers());

/** Who has begun, in order, and what ends their turns. */
function line(turns: Turns) {
  const begun: string[] = [];
  const taken = new Map<string, Turn>();
  const join = (name: string): void => {
    const turn = turns.take();
    taken.set(name, turn);
    void begin(name, turn);
  };
  const begin = async (name: string, turn: Turn): Promise<void> => {
    await turn.come;
    begun.push(name);
  };
  return { begun, join, end: (name: string) => taken.get(name)?.end() };
}

const noMore = (): number => 0;
const settled = (): Promise<unknown> => new Promise(setImmediate);

it('lets so many at a time begin, and the others in the order in which they came', async () => {
  const { begun, join, end } = line(new Turns({ atOnce: 2, accepted: noMore }));
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

it('gives no turn to who has left the line', async () => {
  const { begun, join, end } = line(new Turns({ atOnce: 1, accepted: noMore }));
  for (const name of ['a', 'b', 'c']) join(name);
  end('b');
  await settled();
  expect(begun).toEqual(['a']);
  end('a');
  await settled();
  expect(begun).toEqual(['a', 'c']);
});

it('has all its turns again after a crowd', async () => {
  const turns = new Turns({ atOnce: 2, accepted: noMore });
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

it('waits while connections still come in, but not for long', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  let accepted = 0;
  const { begun, join } = line(new Turns({ atOnce: 9, accepted: () => (accepted += 1) }));
  join('a');
  await settled();
  join('b');
  for (let turn = 0; turn < 9; turn += 1) await settled();
  expect(begun).toEqual(['a']);
  vi.advanceTimersByTime(20);
  await settled();
  await settled();
  expect(begun).toEqual(['a', 'b']);
});

it('goes on at once where none has come in', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  let accepted = 0;
  const { begun, join } = line(new Turns({ atOnce: 9, accepted: () => accepted }));
  join('a');
  await settled();
  accepted += 1;
  join('b');
  await settled();
  await settled();
  expect(begun).toEqual(['a', 'b']);
});

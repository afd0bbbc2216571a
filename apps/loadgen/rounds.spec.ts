import { expect, it } from 'vitest';
import type { Case, Figure } from './cases.js';
import type { Peer } from './peers.js';
import { median, runRounds } from './rounds.js';

const peer = (name: string): Peer => ({
  name,
  dialect: { opening: [], subscribe: [], publish: (text) => text, echo: (text) => text },
  server: { command: [] },
});

function question(values: Record<string, (number | Error)[]>, more = true): Case & { asked: string[] } {
  const asked: string[] = [];
  const measure = async (run: { peer: Peer }): Promise<Figure> => {
    asked.push(run.peer.name);
    const value = values[run.peer.name]?.shift();
    if (value === undefined || value instanceof Error) throw value ?? new Error('asked too often');
    return { value, details: {} };
  };
  return { name: 'q', title: 'Question', unit: 'x', more, measure, asked };
}

const options = { rounds: 3, seconds: 1, onProgress: () => undefined };

it('compares pair by pair within a round, and takes the median', async () => {
  const asked = question({ ws: [100, 200, 400], Aerie: [200, 300, 1_200] });
  const { peers } = await runRounds(asked, [peer('ws'), peer('Aerie')], options);
  expect(peers.map(({ value, ratio }) => [value, ratio])).toEqual([
    [200, 1],
    [300, 2],
  ]);
});

it('says that less is better by a ratio above one', async () => {
  const asked = question({ ws: [100, 100, 100], Aerie: [50, 50, 50] }, false);
  const { peers } = await runRounds(asked, [peer('ws'), peer('Aerie')], options);
  expect(peers[1]?.ratio).toBe(2);
});

it('begins each round with another peer', async () => {
  const asked = question({ a: [1, 1, 1], b: [1, 1, 1] });
  await runRounds(asked, [peer('a'), peer('b')], options);
  expect(asked.asked).toEqual(['a', 'b', 'b', 'a', 'a', 'b']);
});

it('keeps what a peer did in the other rounds where one failed, and why', async () => {
  const asked = question({ ws: [100, 100, 100], Aerie: [100, new Error('3 publications lost'), 300] });
  const { peers } = await runRounds(asked, [peer('ws'), peer('Aerie')], options);
  expect(peers[1]).toMatchObject({ value: 200, ratio: 2, failures: ['3 publications lost'] });
});

it('has no median of nothing', () => {
  expect(median([])).toBeUndefined();
});

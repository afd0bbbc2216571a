import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { BackplaneUnavailable } from '../publishing/backplane.js';
import { UserPlaces } from './user-places.js';

const LIMIT = { max: 3, overflow: 'refuse' } as const;
const away = (): Promise<boolean> => Promise.reject(new BackplaneUnavailable('away'));

const gate = { isOpen: () => true, passed: () => Promise.resolve() };
afterEach(() => {
  vi.restoreAllMocks();
});

/** The places of a user, in a store that answers each question as the test says; the last answer goes for the rest. */
function placesOf(...answers: (() => Promise<boolean>)[]): UserPlaces {
  const hold = (): Promise<boolean> => (answers.length > 1 ? answers.shift() : answers[0])?.() ?? away();
  return new UserPlaces({ sessions: { hold }, limit: LIMIT, gate });
}

/** As SIGSTOP does: what was to happen meanwhile is all due at once. */
function standStill(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

describe('the places of a user on all nodes', () => {
  it('are as the store says', async () => {
    expect(await placesOf(() => Promise.resolve(true)).hasRoom('ann')).toBe(true);
    expect(await placesOf(() => Promise.resolve(false)).hasRoom('ann')).toBe(false);
  });

  it('are not counted while the store is away', async () => {
    expect(await placesOf(away).hasRoom('ann')).toBe(true);
    expect(await placesOf(() => new Promise(() => undefined)).hasRoom('ann')).toBe(true);
  });

  it.each([
    ['nobody looked at the answer in time', 700, () => new Promise<boolean>(() => undefined)],
    ['the question was given up', 1_100, () => sleep(400).then(away)],
  ])('are asked for again where this node stood still, so that %s', async (_why, ms, lost) => {
    const hasRoom = placesOf(lost, () => Promise.resolve(false)).hasRoom('ann');
    standStill(ms);
    expect(await hasRoom).toBe(false);
  });

  it('are asked for again where this node comes from a standstill and has to connect anew', async () => {
    vi.spyOn(gate, 'isOpen').mockReturnValue(false);
    const passed = vi.spyOn(gate, 'passed');
    expect(await placesOf(away, away, () => Promise.resolve(false)).hasRoom('ann')).toBe(false);
    expect(passed).toHaveBeenCalled();
  });
});

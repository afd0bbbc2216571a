import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Deadlines, type Due } from './deadlines.js';

const late: string[] = [];

function due(name: string, tooLate: () => void = () => undefined): Due {
  return {
    startedAt: performance.now(),
    tooLate: () => {
      late.push(name);
      tooLate();
    },
  };
}

function tooSlow(): string {
  return 'late';
}

beforeEach(() => {
  vi.useFakeTimers();
  late.length = 0;
});
afterEach(() => {
  vi.useRealTimers();
});

it('tells each that did not end in time, at its own time, once', () => {
  const deadlines = new Deadlines(1_000);
  deadlines.begin(due('first'));
  vi.advanceTimersByTime(400);
  deadlines.begin(due('second'));
  vi.advanceTimersByTime(600);
  expect(late).toEqual(['first']);
  vi.advanceTimersByTime(400);
  expect(late).toEqual(['first', 'second']);
  vi.advanceTimersByTime(10_000);
  expect(late).toEqual(['first', 'second']);
});

it('tells nobody who has ended', () => {
  const deadlines = new Deadlines(1_000);
  const ended = due('ended');
  deadlines.begin(ended);
  deadlines.begin(due('open'));
  deadlines.end(ended);
  vi.advanceTimersByTime(1_000);
  expect(late).toEqual(['open']);
});

it('has one timer for thousands, and none once nobody waits', () => {
  const deadlines = new Deadlines(1_000);
  for (let index = 0; index < 5_000; index += 1) deadlines.begin(due('one of many'));
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(1_000);
  expect(late).toHaveLength(5_000);
  expect(vi.getTimerCount()).toBe(0);
});

it('takes up what begins while others are told', () => {
  const deadlines = new Deadlines(1_000);
  deadlines.begin(due('first', () => deadlines.begin(due('begun late'))));
  vi.advanceTimersByTime(1_000);
  expect(late).toEqual(['first']);
  vi.advanceTimersByTime(1_000);
  expect(late).toEqual(['first', 'begun late']);
});

it('brings what comes in time, a failure too, and what is said of the rest', async () => {
  const deadlines = new Deadlines(1_000);
  await expect(deadlines.within(Promise.resolve('done'), tooSlow)).resolves.toBe('done');
  await expect(deadlines.within(Promise.reject(new Error('failed')), tooSlow)).rejects.toThrow('failed');
  const pending = deadlines.within(new Promise(() => undefined), tooSlow);
  vi.advanceTimersByTime(1_000);
  await expect(pending).resolves.toBe('late');
});

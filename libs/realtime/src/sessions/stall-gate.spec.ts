import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Tally } from '../metrics/meter.js';
import type { LeaseState } from './node-directory.js';
import { sessionTimes } from './session-times.js';
import { StallGate } from './stall-gate.js';

type Answer = LeaseState | undefined;

let gate: StallGate | undefined;

beforeEach(() => {
  Logger.overrideLogger(false);
  vi.useFakeTimers();
});
afterEach(() => {
  gate?.stop();
  expect(vi.getTimerCount()).toBe(0);
  vi.restoreAllMocks();
  vi.useRealTimers();
  Logger.overrideLogger(new Logger());
});

function setUp(...answers: (Answer | Promise<Answer>)[]) {
  const heard: string[] = [];
  const metrics = { stalls: new Tally() };
  const opened = new StallGate({
    times: sessionTimes({}, 0),
    metrics,
    ask: async () => {
      heard.push('asked');
      return answers.length > 1 ? answers.shift() : answers[0];
    },
    onResumed: () => void heard.push('resumed'),
  });
  gate = opened;
  opened.start();
  const enter = (what: string, bytes = 1): boolean => {
    const act = (): void => void heard.push(what);
    if (!opened.isOpen()) return opened.hold(bytes, act);
    act();
    return true;
  };
  return { heard, enter, stalls: metrics.stalls };
}

/** The process stands still: time passes and no timer fires. */
function standStill(ms: number): void {
  vi.setSystemTime(Date.now() + ms);
  const now = performance.now() + ms;
  vi.spyOn(performance, 'now').mockReturnValue(now);
}

async function goOn(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}

describe('the gate at the entries of a node', () => {
  it('is open while the loop turns, however long', async () => {
    const { heard, enter, stalls } = setUp('held');
    await vi.advanceTimersByTimeAsync(60_000);
    enter('a');
    expect([heard, stalls.value]).toEqual([['a'], 0]);
  });

  it('is open after a pause of less than half a lease', () => {
    const { heard, enter } = setUp('held');
    standStill(4_900);
    enter('a');
    expect(heard).toEqual(['a']);
  });

  it('holds what comes in after a longer pause until the lease was asked for, and then takes it in order', async () => {
    const { heard, enter } = setUp('held');
    standStill(5_100);
    enter('a');
    enter('b');
    expect(heard).toEqual(['asked']);
    await goOn();
    enter('c');
    expect(heard).toEqual(['asked', 'resumed', 'a', 'b', 'c']);
  });

  it('goes on where the store lost the lease, which is no sweep', async () => {
    const { heard, enter } = setUp('absent');
    standStill(5_100);
    enter('a');
    await goOn();
    expect(heard).toEqual(['asked', 'resumed', 'a']);
  });

  it('lets nothing of it in where the node was swept', async () => {
    const { heard, enter } = setUp('swept');
    standStill(5_100);
    enter('a');
    await goOn();
    enter('later');
    expect(heard).toEqual(['asked', 'later']);
  });

  it.each(['held', 'swept'] as const)('lets answers of others pass once it knows: %s', async (answer) => {
    const { promise, resolve } = Promise.withResolvers<Answer>();
    const { heard } = setUp(promise);
    await gate?.passed();
    standStill(5_100);
    const passing = gate?.passed().then(() => heard.push('passed'));
    await goOn();
    expect(heard).toEqual(['asked']);
    resolve(answer);
    await passing;
    expect(heard.at(-1)).toBe('passed');
  });

  it('asks without anybody coming in, too', async () => {
    const { heard, stalls } = setUp('held');
    standStill(60_000);
    await vi.advanceTimersByTimeAsync(1_000);
    expect([heard, stalls.value]).toEqual([['asked', 'resumed'], 1]);
  });

  it('asks again while there is no answer, and goes on without one after a whole lease', async () => {
    const { heard, enter } = setUp(undefined);
    standStill(5_100);
    enter('a');
    vi.mocked(performance.now).mockRestore();
    const startedAt = performance.now();
    await vi.waitFor(async () => {
      await vi.advanceTimersByTimeAsync(250);
      expect(heard).toContain('a');
    }, 10_000);
    expect(heard.slice(0, 3)).toEqual(['asked', 'asked', 'asked']);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(9_000);
  });

  it('holds a bounded number of bytes', async () => {
    const { heard, enter } = setUp('held');
    standStill(5_100);
    expect(enter('a', 10 * 1024 * 1024)).toBe(true);
    expect(enter('b', 10 * 1024 * 1024)).toBe(false);
    await goOn();
    expect(heard).toEqual(['asked', 'resumed', 'a']);
  });
});

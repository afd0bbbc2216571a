import { afterEach, describe, expect, it, vi } from 'vitest';
import { describeFailureCounter } from '../testing/contracts/failure-counter.contract.js';
import { MemoryFailureCounter } from './memory-failure-counter.js';

afterEach(() => vi.useRealTimers());

describeFailureCounter('memory', async () => new MemoryFailureCounter());

describe('a memory failure counter', () => {
  it('blocks for a minute from the hundredth failure on, and forgets after it', async () => {
    vi.useFakeTimers();
    const counter = new MemoryFailureCounter();
    for (let index = 0; index < 99; index += 1) await counter.record('a');
    vi.advanceTimersByTime(59_000);
    await counter.record('a');
    expect(await counter.blockedForMs('a')).toBe(60_000);
    vi.advanceTimersByTime(59_999);
    expect(await counter.blockedForMs('a')).toBe(1);
    vi.advanceTimersByTime(1);
    expect(await counter.blockedForMs('a')).toBe(0);
    await counter.record('a');
    expect(await counter.blockedForMs('a')).toBe(0);
  });

  it('keeps a bounded number of addresses, the latest, and no timer of one that it forgot', async () => {
    vi.useFakeTimers();
    const counter = new MemoryFailureCounter();
    for (let index = 0; index < 100; index += 1) await counter.record('first');
    for (let index = 0; index < 100_000; index += 1) await counter.record(`${index}`);
    expect(vi.getTimerCount()).toBe(100_000);
    expect(await counter.blockedForMs('first')).toBe(0);
    await counter.close();
    expect(vi.getTimerCount()).toBe(0);
  });
});

import { afterEach, describe, expect, it, vi } from 'vitest';
import { EventLoopDelay } from './event-loop-delay.js';

describe('EventLoopDelay', () => {
  afterEach(() => void vi.useRealTimers());

  it('shows zeros before a window is over', () => {
    const delay = new EventLoopDelay();
    expect(delay.last).toEqual({ meanMs: 0, p99Ms: 0, maxMs: 0 });
    delay.onApplicationShutdown();
  });

  it('shows the longest stall of the last window, and forgets it with the next', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const delay = new EventLoopDelay();
    await realPause(50);
    const until = performance.now() + 120;
    while (performance.now() < until);
    await realPause(50);
    vi.advanceTimersByTime(10_000);
    expect(delay.last.maxMs).toBeGreaterThan(80);
    const stallMs = delay.last.maxMs;
    expect(delay.last.meanMs).toBeLessThan(stallMs);
    await realPause(50);
    vi.advanceTimersByTime(10_000);
    expect(delay.last.maxMs).toBeLessThan(stallMs);
    delay.onApplicationShutdown();
    expect(vi.getTimerCount()).toBe(0);
  });
});

function realPause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MemoryLimit } from './memory-limit.js';

describe('MemoryLimit', () => {
  let bytes = 0;
  let left = 0;
  let limit: MemoryLimit;

  beforeEach(() => {
    vi.useFakeTimers();
    left = 0;
    const drain = { leave: () => Promise.resolve(void (left += 1)) };
    limit = new MemoryLimit({ drain, maxRssBytes: 100, rss: () => bytes });
    limit.onApplicationBootstrap();
  });

  afterEach(() => {
    limit.onModuleDestroy();
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it('has the node leave, once, when memory stays over the limit', async () => {
    bytes = 101;
    await vi.advanceTimersByTimeAsync(14_000);
    expect(left).toBe(0);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(left).toBe(1);
  });

  it('forgives a burst', async () => {
    for (const reading of [101, 101, 99, 101, 101, 100]) {
      bytes = reading;
      await vi.advanceTimersByTimeAsync(5_000);
    }
    expect(left).toBe(0);
  });
});

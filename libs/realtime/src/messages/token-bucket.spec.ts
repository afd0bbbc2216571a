import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TokenBucket } from './token-bucket.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function spend(bucket: TokenBucket, times: number): boolean[] {
  return Array.from({ length: times }, () => bucket.take(1));
}

describe('a token bucket', () => {
  it('gives the burst at once, and then no more', () => {
    expect(spend(new TokenBucket(10, 3), 4)).toEqual([true, true, true, false]);
  });

  it('refills steadily, up to the burst', async () => {
    const bucket = new TokenBucket(10, 3);
    spend(bucket, 3);
    await vi.advanceTimersByTimeAsync(100);
    expect(bucket.take(1)).toBe(true);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(spend(bucket, 4)).toEqual([true, true, true, false]);
  });

  it('takes a cost that it cannot pay all the same', async () => {
    const bucket = new TokenBucket(10, 5);
    expect(bucket.take(10)).toBe(false);
    await vi.advanceTimersByTimeAsync(400);
    expect(bucket.take(1)).toBe(false);
    await vi.advanceTimersByTimeAsync(300);
    expect(bucket.take(1)).toBe(true);
  });

  it('never gives more than its burst and what was refilled, whatever the rhythm', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 400 }), { maxLength: 100 }), async (waits) => {
        const bucket = new TokenBucket(20, 10);
        const startAt = performance.now();
        let given = 0;
        for (const waitMs of waits) {
          await vi.advanceTimersByTimeAsync(waitMs);
          if (bucket.take(1)) given += 1;
          expect(given).toBeLessThanOrEqual(10 + ((performance.now() - startAt) / 1_000) * 20 + 1e-6);
        }
      }),
      { numRuns: 30 },
    ));
});

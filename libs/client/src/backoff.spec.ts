import * as fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { backoffMs } from './backoff.js';

function backoffAt(attempt: number, share: number): number {
  vi.spyOn(Math, 'random').mockReturnValue(share);
  return backoffMs(attempt);
}

describe('back-off', () => {
  afterEach(() => void vi.restoreAllMocks());

  it('waits a random time within a window that doubles from 500 ms to 20 s', () => {
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.nat(2_000), random, (attempt, share) => {
        const ms = backoffAt(attempt, share);
        expect(ms).toBeGreaterThanOrEqual(0);
        expect(ms).toBeLessThanOrEqual(Math.min(20_000, 500 * 2 ** attempt));
      }),
    );
  });

  it('uses the whole window, its start included', () => {
    expect(backoffAt(3, 0)).toBe(0);
    expect(backoffAt(3, 0.5)).toBe(2_000);
    expect(backoffAt(60, 1)).toBe(20_000);
  });
});

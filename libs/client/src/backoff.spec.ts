import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffMs } from './backoff.js';

describe('back-off', () => {
  it('waits a random time within a window that doubles from 500 ms to 20 s', () => {
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.nat(2_000), random, (attempt, share) => {
        const ms = backoffMs(attempt, () => share);
        expect(ms).toBeGreaterThanOrEqual(0);
        expect(ms).toBeLessThanOrEqual(Math.min(20_000, 500 * 2 ** attempt));
      }),
    );
  });

  it('uses the whole window, its start included', () => {
    expect(backoffMs(3, () => 0)).toBe(0);
    expect(backoffMs(3, () => 0.5)).toBe(2_000);
    expect(backoffMs(60, () => 1)).toBe(20_000);
  });
});

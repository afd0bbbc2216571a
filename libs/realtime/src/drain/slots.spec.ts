import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drainSlots, lateSlot } from './slots.js';

const count = fc.integer({ min: 0, max: 2_000 });
const windowMs = fc.integer({ min: 0, max: 600_000 });
const randoms = fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }));

describe('drainSlots', () => {
  it('gives every connection exactly one slot, in ascending order, inside the window', () => {
    fc.assert(
      fc.property(count, windowMs, randoms, (n, window, stream) => {
        const slots = drainSlots({ count: n, windowMs: window, random: () => Number(stream.next().value) });
        expect(slots).toHaveLength(n);
        expect(slots.every((slot) => slot >= Math.min(5_000, window / 4) && slot <= window * 0.9)).toBe(true);
        expect(slots.every((slot, index) => index === 0 || slot >= (slots[index - 1] ?? 0))).toBe(true);
      }),
    );
  });

  it('paces evenly: no tenth of the stretch has more than its share plus two', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 10, max: 2_000 }),
        fc.integer({ min: 1_000, max: 600_000 }),
        (n, window) => {
          const slots = drainSlots({ count: n, windowMs: window });
          const first = Math.min(5_000, window / 4);
          const tenth = (window * 0.9 - first) / 10;
          const crowd = Array.from({ length: 10 }, () => 0);
          for (const slot of slots) {
            const index = Math.min(9, Math.floor((slot - first) / tenth));
            crowd[index] = (crowd[index] ?? 0) + 1;
          }
          expect(Math.max(...crowd)).toBeLessThanOrEqual(n / 10 + 2);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('leaves nobody two equal waves apart by luck: jitter differs between drains', () => {
    const plan = { count: 50, windowMs: 30_000 };
    expect(drainSlots(plan)).not.toEqual(drainSlots(plan));
  });
});

describe('lateSlot', () => {
  it('never lies in the past, before the first slot or after the last', () => {
    fc.assert(
      fc.property(windowMs, fc.double({ min: 0, max: 1, noNaN: true }), (window, share) => {
        const slot = lateSlot(window, window * share);
        expect(slot).toBeGreaterThanOrEqual(Math.min(window * share, window * 0.9));
        expect(slot).toBeGreaterThanOrEqual(Math.min(5_000, window / 4));
        expect(slot).toBeLessThanOrEqual(window * 0.9);
      }),
    );
  });
});

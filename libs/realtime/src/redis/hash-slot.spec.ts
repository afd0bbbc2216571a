import { describe, expect, it } from 'vitest';
import { slotOf } from './hash-slot.js';

describe('the slot of a hash tag', () => {
  it.each([
    ['123456789', 12_739],
    ['foo', 12_182],
    ['', 0],
  ])('of %j is %i, as Redis has it', (tag, slot) => {
    expect(slotOf(tag)).toBe(slot);
  });
});

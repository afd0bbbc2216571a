import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SmallSet } from './small-set.js';

describe('a small set', () => {
  it('does what a Set does, whatever is put in and taken out', () => {
    const step = fc.tuple(fc.constantFrom('add', 'delete'), fc.constantFrom('a', 'b', 'c'));
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const small = new SmallSet<string>();
        const model = new Set<string>();
        for (const [what, item] of steps) {
          if (what === 'add') {
            small.add(item);
            model.add(item);
          } else expect(small.delete(item)).toBe(model.delete(item));
          expect(small.size).toBe(model.size);
          expect([...small].toSorted()).toEqual([...model].toSorted());
          expect(small.toArray()).toEqual([...small]);
          for (const each of ['a', 'b', 'c']) expect(small.has(each)).toBe(model.has(each));
        }
      }),
    );
  });

  it.each([1, 3])('lets %d members be deleted while they are walked', (count) => {
    const small = new SmallSet<string>();
    for (let index = 0; index < count; index += 1) small.add(`member ${index}`);
    for (const member of small) small.delete(member);
    expect(small.size).toBe(0);
  });
});

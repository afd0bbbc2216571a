import { array, assert, boolean, integer, property, string, tuple } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SortedUsers } from './sorted-users.js';

const user = string({ minLength: 1, maxLength: 3, unit: 'binary' });

describe('sorted users', () => {
  it('are what a set of them is, sorted, whoever comes and goes, page by page', () => {
    const changes = array(tuple(boolean(), user), { maxLength: 60 });
    const cases = tuple(array(user, { maxLength: 20 }), changes, integer({ min: 1, max: 7 }));
    assert(
      property(cases, ([first, steps, count]) => {
        const model = new Set(first);
        const users = new SortedUsers([...model]);
        for (const [comes, one] of steps) {
          expect(users.has(one)).toBe(model.has(one));
          if (comes) model.add(one);
          else model.delete(one);
          if (comes) users.add(one);
          else users.delete(one);
        }
        const read: string[] = [];
        for (
          let page = users.behind(undefined, count);
          page.length > 0;
          page = users.behind(read.at(-1), count)
        )
          read.push(...page);
        expect(read).toEqual([...model].toSorted());
        expect(users.size).toBe(model.size);
      }),
    );
  });

  it('go on behind a user who has gone', () => {
    const users = new SortedUsers(['ann', 'bob', 'eve']);
    users.delete('bob');
    expect(users.behind('bob', 5)).toEqual(['eve']);
  });
});

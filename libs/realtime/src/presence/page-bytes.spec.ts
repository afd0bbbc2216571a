import { describe, expect, it } from 'vitest';
import { REPLY_LIST_BYTES } from '../reply-bytes.js';
import { countThatFit } from './page-bytes.js';

/** A thousand different users whose names all have the most bytes. */
function usersOf(character: string): readonly string[] {
  const bytes = Buffer.byteLength(character);
  return Array.from({ length: 1_000 }, (_, index) => {
    const number = String(index).padStart(4, '0');
    return number + character.repeat(Math.floor((128 - number.length) / bytes));
  });
}

/** As the server API sends it, which has the most around a user. */
function bytesOf(users: readonly string[]): number {
  return Buffer.byteLength(JSON.stringify(users.map((user) => ({ user, connections: 1_000_000 }))));
}

describe('a page of members', () => {
  it.each([
    ['of plain names', 'a'],
    ['of names that JSON escapes', '"'],
    ['of names outside ASCII', '€'],
    ['of names in four bytes each', '🦅'],
  ])('%s has as many as fit, and no byte too many', (_what, character) => {
    const users = usersOf(character);
    const count = countThatFit(users);
    expect(bytesOf(users.slice(0, count))).toBeLessThanOrEqual(REPLY_LIST_BYTES);
    // The estimate of what stands around a user is a little more than it ever is.
    if (count < users.length) expect(bytesOf(users.slice(0, count))).toBeGreaterThan(0.94 * REPLY_LIST_BYTES);
  });

  it('is cut before the user who crosses the limit', () => {
    const users = usersOf('"');
    const count = countThatFit(users);
    expect(count).toBeLessThan(1_000);
    expect(countThatFit(users.slice(0, count))).toBe(count);
    expect(countThatFit(users.slice(0, count + 1))).toBe(count);
    expect(countThatFit(users.slice(count))).toBe(1_000 - count);
  });

  it('of short names is whole', () => {
    const users = Array.from({ length: 1_000 }, (_, index) => `user-${index}`);
    expect(countThatFit(users)).toBe(1_000);
    expect(countThatFit([])).toBe(0);
  });
});

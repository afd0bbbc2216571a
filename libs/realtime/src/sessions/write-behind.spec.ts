import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { connect } from '../../../../test/support/connections.js';
import { ConnectionRegistry } from '../connections/connection-registry.js';
import { BackplaneUnavailable } from '../publishing/backplane.js';
import type { Lease } from './node-directory.js';
import { type PendingList, WriteBehind } from './write-behind.js';

const LEASE: Lease = { node: 'one', fence: 'f', leaseUntil: Infinity };

/** A list of names. What begins with a dash has ended, with a question mark is not known to the store. */
class Names implements PendingList<string> {
  names: string[] = [];

  get size(): number {
    return this.names.length;
  }

  take(most: number): readonly string[] {
    return this.names.splice(0, most);
  }

  putBack(names: readonly string[]): void {
    this.names.unshift(...names);
  }

  forgetOldest(): boolean {
    const index = this.names.findIndex((name) => name.startsWith('-'));
    return index >= 0 && this.names.splice(index, 1).length > 0;
  }

  forgetKnown(): void {
    this.names = this.names.filter((name) => name.startsWith('?'));
  }
}

function setUp() {
  const pending = new Names();
  const connections = new ConnectionRegistry();
  const writes: (readonly string[])[] = [];
  const state: {
    lease: Lease | undefined;
    answer: (names: readonly string[]) => readonly boolean[];
  } = { lease: LEASE, answer: (names) => names.map(() => true) };
  const onForgotten = vi.fn<() => void>();
  const writer = new WriteBehind<string>({
    pending,
    connections,
    lease: () => state.lease,
    write: async (_lease, names) => {
      writes.push(names);
      return state.answer(names);
    },
    enterAgain: ({ session }) => put(session.user),
    onForgotten,
    mostPending: 1_000,
  });
  const put = (...names: readonly string[]): void => {
    for (const name of names) {
      pending.names.push(name);
      writer.changed();
    }
  };
  return { writer, pending, connections, writes, state, put, onForgotten };
}

const away = (): never => {
  throw new BackplaneUnavailable('away');
};
const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const manyOf = (count: number): readonly string[] => Array.from({ length: count }, (_, n) => `name-${n}`);

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('what is written behind', () => {
  it('travels together where it comes together, 500 at a time, and in order', async () => {
    const { put, writes } = setUp();
    const names = manyOf(700);
    put(...names);
    expect(writes).toEqual([]);
    await pass(40);
    expect(writes.map(({ length }) => length)).toEqual([500, 200]);
    expect(writes.flat()).toEqual(names);
  });

  it('waits for a lease, and goes out with it', async () => {
    const { put, writes, state, writer } = setUp();
    state.lease = undefined;
    put('ann');
    await pass(10_000);
    expect(writes).toEqual([]);
    state.lease = LEASE;
    writer.wake();
    await pass(20);
    expect(writes).toEqual([['ann']]);
  });

  it('is tried again while the store is away, ever more seldom, and then at once in order with what came meanwhile', async () => {
    const { put, writes, state, pending } = setUp();
    state.answer = away;
    put('ann');
    await pass(1_000);
    const soon = writes.length;
    expect(soon).toBeGreaterThan(2);
    await pass(60_000);
    expect(writes.length - soon).toBeLessThan(61);
    put('ben');
    state.answer = (names) => names.map(() => true);
    await pass(2_100);
    expect(writes.at(-1)).toEqual(['ann', 'ben']);
    expect([pending.size, vi.getTimerCount()]).toEqual([0, 0]);
  });

  it('keeps only those whose write was refused', async () => {
    const { put, writes, state } = setUp();
    state.answer = (names) => names.map((name) => name !== 'ben');
    put('ann', 'ben', 'eve');
    await pass(20);
    state.answer = (names) => names.map(() => true);
    await pass(200);
    expect(writes).toEqual([['ann', 'ben', 'eve'], ['ben']]);
  });

  it('is bounded: the oldest ends are forgotten, and it is said that something was', async () => {
    const { put, state, pending, onForgotten } = setUp();
    state.lease = undefined;
    put(...manyOf(999), '-old', '-new');
    expect(onForgotten).toHaveBeenCalledTimes(1);
    expect(pending.names.slice(-2)).toEqual(['name-998', '-new']);
    put('ann', 'ben');
    expect(onForgotten).toHaveBeenCalledTimes(2);
    // What is there is never forgotten, and bounded by itself.
    expect(pending.size).toBe(1_001);
  });

  it('tells of a fault that is not the store’s absence, once', async () => {
    const { put, state } = setUp();
    const error = vi.spyOn(Logger.prototype, 'error').mockReturnValue(undefined);
    state.answer = away;
    put('ann');
    await pass(5_000);
    expect(error).not.toHaveBeenCalled();
    state.answer = () => {
      throw new TypeError('a bug');
    };
    await pass(10_000);
    expect(error).toHaveBeenCalledTimes(1);
    error.mockRestore();
  });
});

describe('to write anew', () => {
  it('takes a hundred connections at a time, and is done when the store has them all', async () => {
    const { writer, connections, writes } = setUp();
    for (const user of manyOf(250)) connections.add(connect(user).connection);
    const done = writer.writeAnew();
    await pass(400);
    expect(await done).toBe(true);
    expect(writes.map(({ length }) => length)).toEqual([100, 100, 50]);
  });

  it('is not done where it began once more, or what was written was cleared meanwhile', async () => {
    const { writer, connections, pending, state } = setUp();
    for (const user of manyOf(150)) connections.add(connect(user).connection);
    const first = writer.writeAnew();
    await pass(50);
    const second = writer.writeAnew();
    await pass(50);
    expect(await first).toBe(false);
    state.answer = away;
    await pass(50);
    pending.names.push('?new');
    writer.drop();
    await pass(100);
    expect(await second).toBe(false);
    expect(pending.names).toEqual(['?new']);
  });

  it('does not bring back what was under way when the store cleared it', async () => {
    const { writer, put, pending, state } = setUp();
    state.answer = (names) => {
      writer.drop();
      return names.map(() => false);
    };
    put('ann');
    await pass(20);
    expect(pending.names).toEqual([]);
  });
});

describe('the end', () => {
  it('writes what it can', async () => {
    const { writer, put, writes } = setUp();
    put('ann');
    const closed = writer.close(1_000);
    await pass(20);
    expect([await closed, writes]).toEqual([true, [['ann']]]);
  });

  it('says where it could not within its time, and leaves nothing running', async () => {
    const { writer, put, state, writes } = setUp();
    state.answer = away;
    put('ann');
    const closed = writer.close(1_000);
    await pass(1_000);
    expect(await closed).toBe(false);
    const count = writes.length;
    writer.wake();
    await pass(10_000);
    expect([writes.length, vi.getTimerCount()]).toEqual([count, 0]);
  });
});

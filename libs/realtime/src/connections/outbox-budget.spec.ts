import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeWire } from '../../../../test/support/fake-wire.js';
import { OutboxBudget, type Debtor } from './outbox-budget.js';
import { Outbox } from './outbox.js';

const WRITE = 200;

class Owing implements Debtor {
  shedAt: number | undefined;
  readonly #bytes: Buffer;

  constructor(
    private readonly budget: OutboxBudget,
    readonly bytesOwed: number,
  ) {
    this.#bytes = Buffer.alloc(bytesOwed);
    budget.retain(this.#bytes, this);
  }

  shed(): void {
    this.shedAt = Date.now();
    this.budget.release(this.#bytes);
    this.budget.settled(this);
  }
}

describe('the budget of all outboxes', () => {
  it('counts a buffer once, however many owe it, and 200 bytes for each of them', () => {
    const budget = new OutboxBudget(Infinity, () => 0);
    const shared = Buffer.alloc(1_000);
    const wires = Array.from({ length: 10 }, () => new FakeWire(0));
    const outboxes = wires.map(
      (wire) => new Outbox(wire, { limitBytes: Infinity, budget }, { overflowed: () => undefined }),
    );
    for (const outbox of outboxes) {
      outbox.push(Buffer.alloc(70_000));
      outbox.push(shared);
    }
    const before = 10 * (70_000 + WRITE);
    expect(budget.bytes).toBe(before + shared.byteLength + 10 * WRITE);
    for (const outbox of outboxes) outbox.release();
    expect(budget.bytes).toBe(0);
  });

  it('counts what a socket holds for a peer that does not read', () => {
    const budget = new OutboxBudget(Infinity, () => 0);
    const outbox = new Outbox(
      new FakeWire(0),
      { limitBytes: Infinity, budget },
      { overflowed: () => undefined },
    );
    for (let index = 0; index < 10; index += 1) outbox.push(Buffer.alloc(5_000));
    expect(budget.bytes).toBe(10 * (5_000 + WRITE));
    outbox.release();
    expect(budget.bytes).toBe(0);
  });
});

describe('past its limit', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('the largest outboxes go first, until the rest fits', async () => {
    const budget = new OutboxBudget(10_000, () => 100_000);
    const small = new Owing(budget, 4_000);
    const large = new Owing(budget, 9_000);
    const medium = new Owing(budget, 5_000);
    await vi.advanceTimersByTimeAsync(1_000);
    expect([large.shedAt, medium.shedAt, small.shedAt].map((at) => at !== undefined)).toEqual([
      true,
      false,
      false,
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('at most one in a hundred connections goes each second', async () => {
    const budget = new OutboxBudget(1, () => 1_000);
    const all = Array.from({ length: 500 }, () => new Owing(budget, 100));
    await vi.advanceTimersByTimeAsync(10_000);
    const times = all.flatMap(({ shedAt }) => shedAt ?? []).toSorted((a, b) => a - b);
    expect(times.length).toBeGreaterThan(80);
    for (const [index, at] of times.entries()) {
      const inThatSecond = times.slice(index).filter((time) => time < at + 1_000).length;
      expect(inThatSecond).toBeLessThanOrEqual(10);
    }
    budget.close();
  });

  it('stays at that pace where it goes back and forth over the limit', async () => {
    const budget = new OutboxBudget(1_000, () => 100);
    let shed = 0;
    for (let tenth = 0; tenth < 100; tenth += 1) {
      const owing = new Owing(budget, 5_000);
      await vi.advanceTimersByTimeAsync(100);
      if (owing.shedAt !== undefined) shed += 1;
      else owing.shed();
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(shed).toBeLessThanOrEqual(21);
    expect(shed).toBeGreaterThan(5);
    budget.close();
  });

  it('a connection that says goodbye already does not stand before those that can be shed', async () => {
    const budget = new OutboxBudget(1_000, () => 1);
    const leaving = new Outbox(
      new FakeWire(0),
      { limitBytes: Infinity, budget },
      { overflowed: () => undefined },
    );
    leaving.push(Buffer.alloc(500_000));
    leaving.finish(() => undefined);
    const other = new Owing(budget, 2_000);
    await vi.advanceTimersByTimeAsync(1_500);
    expect(other.shedAt).toBeDefined();
    leaving.release();
    await vi.advanceTimersByTimeAsync(1_000);
    expect([budget.bytes, vi.getTimerCount()]).toEqual([0, 0]);
  });
});

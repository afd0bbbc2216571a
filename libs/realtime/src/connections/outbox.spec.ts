import * as fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { FakeWire } from '../../../../test/support/fake-wire.js';
import { OutboxBudget } from './outbox-budget.js';
import { Outbox } from './outbox.js';

const KIB = 1024;

interface Setup {
  readonly room?: number;
  readonly limitBytes?: number;
}

function setUp({ room = 0, limitBytes = 1024 * KIB }: Setup = {}) {
  const wire = new FakeWire(room);
  const budget = new OutboxBudget(256 * 1024 * KIB, () => 1);
  const onOverflow = vi.fn();
  const outbox = new Outbox(wire, { limitBytes, budget }, { overflowed: onOverflow });
  return { wire, budget, onOverflow, outbox };
}

const bytesOf = (text: string): Buffer => Buffer.from(text);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function drainAll(wire: FakeWire): Promise<void> {
  wire.drain(Infinity);
  for (let turns = 0; turns < 50 && wire.bufferedBytes >= 0; turns += 1) await Promise.resolve();
  await turn();
}

describe('an outbox', () => {
  it('writes at once while the peer keeps up', () => {
    const { wire, outbox, budget } = setUp({ room: Infinity });
    outbox.push(bytesOf('a'));
    outbox.push(bytesOf('b'));
    expect(wire.text).toBe('ab');
    expect([outbox.bytesOwed, budget.bytes]).toEqual([0, 0]);
  });

  it('joins what it gets while it is corked into one write, in order', () => {
    const { wire, outbox } = setUp({ room: Infinity });
    expect([outbox.cork(), outbox.cork()]).toEqual([true, false]);
    for (const text of ['a', 'b', 'c']) outbox.push(bytesOf(text));
    expect(wire.text).toBe('');
    outbox.uncork();
    outbox.push(bytesOf('d'));
    expect([wire.text, wire.writes]).toEqual(['abcd', [3, 1]]);
  });

  it('keeps no more than 64 KiB back for a cork, so that the limit holds for what is joined', () => {
    const { wire, outbox, onOverflow } = setUp({ limitBytes: 100 * KIB });
    outbox.cork();
    for (let index = 0; index < 3; index += 1) outbox.push(Buffer.alloc(50 * KIB));
    expect(wire.writes).toEqual([64 * KIB]);
    expect(onOverflow).toHaveBeenCalledTimes(1);
  });

  it('says goodbye after what is corked, and drops it where it drops the rest', () => {
    const { wire, outbox } = setUp({ room: Infinity });
    outbox.cork();
    outbox.push(bytesOf('last words'));
    outbox.finish(() => undefined);
    expect(wire.text).toBe('last words');
    const { wire: other, outbox: dropping } = setUp({ room: Infinity });
    dropping.cork();
    dropping.push(bytesOf('never read'));
    dropping.discard();
    dropping.uncork();
    expect(other.text).toBe('');
  });

  it('hands at most 64 KiB to a wire that takes nothing, in slices of a frame where it must', async () => {
    const { wire, outbox } = setUp();
    outbox.push(Buffer.alloc(100 * KIB, 'x'));
    expect(wire.bufferedBytes).toBe(64 * KIB);
    expect(outbox.bytesOwed).toBe(100 * KIB);
    expect(outbox.backedUp).toBe(true);
    wire.drain(64 * KIB);
    await turn();
    expect(wire.bufferedBytes).toBe(36 * KIB);
    expect(outbox.backedUp).toBe(false);
  });

  it('says how much more it may owe, and when the wire has been given all', async () => {
    const { wire, outbox } = setUp({ limitBytes: 200 * KIB });
    expect(outbox.room).toBe(200 * KIB);
    await outbox.drained();
    outbox.push(Buffer.alloc(150 * KIB));
    expect(outbox.room).toBe(50 * KIB);
    const drained = vi.fn<() => void>();
    void outbox.drained().then(drained);
    wire.drain(64 * KIB);
    await turn();
    expect(drained).not.toHaveBeenCalled();
    wire.drain(64 * KIB);
    await turn();
    expect(drained).toHaveBeenCalledOnce();
  });

  it.each([
    ['released', (outbox: Outbox) => outbox.release()],
    ['discarded', (outbox: Outbox) => outbox.discard()],
  ])('keeps nobody waiting for its end once it is %s', async (_how, end) => {
    const { outbox } = setUp();
    outbox.push(Buffer.alloc(64 * KIB));
    outbox.push(Buffer.alloc(100 * KIB));
    const drained = outbox.drained();
    end(outbox);
    await drained;
  });

  it('accepts a frame of any size while it owes nothing, and no more than its limit afterwards', () => {
    const { outbox, onOverflow } = setUp({ limitBytes: 100 });
    outbox.push(Buffer.alloc(300 * KIB));
    expect(onOverflow).not.toHaveBeenCalled();
    outbox.push(Buffer.alloc(1));
    expect(onOverflow).toHaveBeenCalledTimes(1);
    expect(outbox.bytesOwed).toBe(300 * KIB);
  });

  it('counts what the wire still holds towards the limit', () => {
    const { outbox, onOverflow } = setUp({ limitBytes: 100 });
    outbox.push(Buffer.alloc(60));
    outbox.push(Buffer.alloc(40));
    expect(onOverflow).not.toHaveBeenCalled();
    outbox.push(Buffer.alloc(1));
    expect(onOverflow).toHaveBeenCalledTimes(1);
  });

  it('discards what the wire has not begun, and keeps the rest of a frame that it has', async () => {
    const { wire, outbox, budget } = setUp();
    outbox.push(Buffer.alloc(100 * KIB, 'a'));
    outbox.push(Buffer.alloc(10, 'b'));
    outbox.discard();
    expect(outbox.bytesOwed).toBe(100 * KIB);
    await drainAll(wire);
    expect(wire.text).toBe('a'.repeat(100 * KIB));
    expect([outbox.bytesOwed, budget.bytes]).toEqual([0, 0]);
  });

  it('keeps whole frames only: between two of them nothing is left to finish', async () => {
    const { wire, outbox } = setUp();
    outbox.push(Buffer.alloc(64 * KIB, 'a'));
    outbox.push(Buffer.alloc(10, 'b'));
    outbox.discard();
    await drainAll(wire);
    expect(wire.text).toBe('a'.repeat(64 * KIB));
  });

  it('finishes after the last byte is with the wire, and accepts nothing more', async () => {
    const { wire, outbox } = setUp();
    const finished = vi.fn();
    outbox.push(Buffer.alloc(100 * KIB, 'a'));
    outbox.finish(finished);
    outbox.push(bytesOf('late'));
    expect(finished).not.toHaveBeenCalled();
    await drainAll(wire);
    expect(finished).toHaveBeenCalledTimes(1);
    expect(wire.text).not.toContain('late');
  });

  it('finishes at once where nothing waits', () => {
    const finished = vi.fn();
    setUp().outbox.finish(finished);
    expect(finished).toHaveBeenCalledTimes(1);
  });

  it('goes on by itself each time the kernel took what was handed over', async () => {
    const { wire, outbox } = setUp();
    for (let index = 0; index < 40; index += 1) outbox.push(Buffer.alloc(8 * KIB, String(index % 10)));
    for (let index = 0; index < 10; index += 1) {
      wire.drain(32 * KIB);
      await turn();
      expect(wire.bufferedBytes).toBeLessThanOrEqual(64 * KIB);
    }
    expect(outbox.bytesOwed).toBe(0);
    expect(Buffer.concat(wire.sent).byteLength).toBe(320 * KIB);
  });

  it('stays silent after the wire is gone, and owes the node nothing', async () => {
    const { wire, outbox, budget } = setUp();
    const finished = vi.fn();
    outbox.push(Buffer.alloc(200 * KIB));
    outbox.finish(finished);
    outbox.release();
    await drainAll(wire);
    expect(finished).not.toHaveBeenCalled();
    expect(budget.bytes).toBe(0);
    expect(wire.text.length).toBe(64 * KIB);
  });

  it('ends its connection when the node sheds it', () => {
    const { outbox, onOverflow } = setUp();
    outbox.push(Buffer.alloc(100 * KIB));
    outbox.shed();
    expect(onOverflow).toHaveBeenCalledTimes(1);
  });
});

describe('an outbox with conflated frames', () => {
  function blocked(limitBytes?: number) {
    const setup = setUp(limitBytes === undefined ? {} : { limitBytes });
    setup.outbox.push(Buffer.alloc(64 * KIB, '.'));
    return setup;
  }

  it('puts a later frame of the same key in the place of one that waits', async () => {
    const { wire, outbox } = blocked();
    outbox.push(bytesOf('a1'), 'a');
    outbox.push(bytesOf('b1'), 'b');
    outbox.push(bytesOf('x'));
    outbox.push(bytesOf('a22'), 'a');
    expect(outbox.bytesOwed).toBe(64 * KIB + 6);
    await drainAll(wire);
    expect(wire.text.slice(64 * KIB)).toBe('a22b1x');
  });

  it('leaves a frame alone that the wire has begun', async () => {
    const { wire, outbox } = setUp();
    outbox.push(Buffer.alloc(100 * KIB, 'a'), 'a');
    outbox.push(bytesOf('b'), 'a');
    await drainAll(wire);
    expect(wire.text).toBe(`${'a'.repeat(100 * KIB)}b`);
  });

  it('is held to the limit when a larger frame takes the place of a small one', () => {
    const { outbox, onOverflow } = blocked(64 * KIB + 100);
    outbox.push(bytesOf('small'), 'a');
    outbox.push(Buffer.alloc(KIB), 'a');
    expect(onOverflow).toHaveBeenCalledTimes(1);
    expect(outbox.bytesOwed).toBe(64 * KIB + 5);
  });

  it('lets a frame of the same size take the place of one that alone is past the limit', () => {
    const { outbox, onOverflow } = setUp({ limitBytes: 100 });
    outbox.push(Buffer.alloc(0));
    outbox.push(Buffer.alloc(200 * KIB), 'a');
    outbox.push(Buffer.alloc(200 * KIB), 'b');
    expect(onOverflow).toHaveBeenCalledTimes(1);
  });

  it('finds its place without looking through everything that waits', () => {
    const { outbox } = blocked(Infinity);
    for (let index = 0; index < 50_000; index += 1) outbox.push(bytesOf('x'));
    outbox.push(bytesOf('latest'), 'a');
    const startedAt = performance.now();
    for (let index = 0; index < 20_000; index += 1) outbox.push(bytesOf('latest'), 'a');
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });
});

describe('whatever is pushed and taken', () => {
  const step = fc.oneof(
    fc.record({ push: fc.nat({ max: 200 * KIB }) }),
    fc.record({ push: fc.nat({ max: 40 }) }),
    fc.record({ take: fc.nat({ max: 300 * KIB }) }),
    fc.constant('turn' as const),
  );

  it('the bytes go out as they came in, in order, and nothing is owed at the end', () =>
    fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 70 * KIB }),
        fc.array(step, { maxLength: 40, size: 'max' }),
        async (room, steps) => {
          const { wire, outbox, budget } = setUp({ room, limitBytes: Infinity });
          const pushed: Buffer[] = [];
          for (const action of steps) {
            if (action === 'turn') await turn();
            else if ('take' in action) wire.drain(action.take);
            else {
              const bytes = Buffer.alloc(action.push, String(pushed.length % 10));
              pushed.push(bytes);
              outbox.push(bytes);
            }
            expect(wire.bufferedBytes).toBeLessThanOrEqual(64 * KIB);
          }
          const expected = Buffer.concat(pushed);
          const out = (): number => wire.sent.reduce((sum, bytes) => sum + bytes.byteLength, 0);
          expect(out() + outbox.bytesOwed).toBe(expected.byteLength);
          await drainAll(wire);
          expect(Buffer.concat(wire.sent).equals(expected)).toBe(true);
          expect([outbox.bytesOwed, outbox.backedUp, budget.bytes]).toEqual([0, false, 0]);
        },
      ),
      { numRuns: 60 },
    ));
});

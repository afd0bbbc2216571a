import * as fc from 'fast-check';
import { CLOSE, type Close } from '@aerie/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Quarantine, type Quarantined } from './quarantine.js';

class Waiting implements Quarantined {
  closedWith: Close | undefined;
  constructor(readonly addressGroup: string) {}
  close(close: Close): void {
    this.closedWith = close;
  }
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function enter(quarantine: Quarantine, address: string, count = 1): Waiting[] {
  return Array.from({ length: count }, () => {
    const socket = new Waiting(address);
    quarantine.add(socket);
    return socket;
  });
}

const left = (sockets: Waiting[]): number =>
  sockets.filter(({ closedWith }) => closedWith === undefined).length;

describe('the quarantine', () => {
  it('closes with 4002 who does not say who it is within 5 s', async () => {
    const quarantine = new Quarantine({ capacity: 100 });
    const [socket] = enter(quarantine, 'a');
    await vi.advanceTimersByTimeAsync(4_999);
    expect(socket?.closedWith).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    expect([socket?.closedWith, quarantine.size]).toEqual([CLOSE.authTimeout, 0]);
  });

  it('lets go of who was released, once', async () => {
    const quarantine = new Quarantine({ capacity: 100 });
    const [socket, other] = enter(quarantine, 'a', 2);
    if (socket === undefined || other === undefined) throw new Error('nobody');
    quarantine.release(socket);
    quarantine.release(socket);
    expect(quarantine.size).toBe(1);
    quarantine.release(other);
    await vi.advanceTimersByTimeAsync(10_000);
    expect([socket.closedWith, quarantine.size, vi.getTimerCount()]).toEqual([undefined, 0, 0]);
  });

  it('gives one address 5 % of its places: the oldest makes room for the next', () => {
    const quarantine = new Quarantine({ capacity: 100 });
    const sockets = enter(quarantine, 'a', 7);
    expect(quarantine.size).toBe(5);
    expect(sockets.map(({ closedWith }) => closedWith)).toEqual([
      CLOSE.authTimeout,
      CLOSE.authTimeout,
      ...Array.from({ length: 5 }),
    ]);
  });

  it('full, takes the place of the busiest address and locks nobody out', () => {
    const quarantine = new Quarantine({ capacity: 100 });
    const busy = enter(quarantine, 'busy', 5);
    for (let index = 0; index < 95; index += 1) enter(quarantine, `single${index}`);
    const [newcomer] = enter(quarantine, 'new');
    expect([quarantine.size, left(busy), newcomer?.closedWith]).toEqual([100, 4, undefined]);
  });

  it('ends with everybody told why', () => {
    const quarantine = new Quarantine({ capacity: 100 });
    const sockets = [...enter(quarantine, 'a', 3), ...enter(quarantine, 'b', 2)];
    quarantine.clear(CLOSE.goingAway);
    expect(sockets.map(({ closedWith }) => closedWith)).toEqual(sockets.map(() => CLOSE.goingAway));
    expect([quarantine.size, vi.getTimerCount()]).toEqual([0, 0]);
  });

  it('holds exactly those it has neither released nor closed, and never too many', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 30 }),
        fc.array(
          fc.oneof(
            fc.record({ add: fc.constantFrom('a', 'b', 'c', 'd') }),
            fc.record({ release: fc.nat() }),
            fc.record({ waitMs: fc.nat({ max: 3_000 }) }),
          ),
          { maxLength: 60, size: 'max' },
        ),
        async (capacity, steps) => {
          const quarantine = new Quarantine({ capacity });
          const inside = new Set<Waiting>();
          const all: Waiting[] = [];
          for (const step of steps) {
            if ('waitMs' in step) await vi.advanceTimersByTimeAsync(step.waitMs);
            else if ('add' in step) {
              const added = enter(quarantine, step.add);
              all.push(...added);
              for (const socket of added) inside.add(socket);
            } else {
              const socket = all[step.release % Math.max(1, all.length)];
              if (socket === undefined) continue;
              quarantine.release(socket);
              inside.delete(socket);
            }
            for (const socket of inside) if (socket.closedWith !== undefined) inside.delete(socket);
            expect(quarantine.size).toBe(inside.size);
            expect(quarantine.size).toBeLessThanOrEqual(capacity);
            expect(vi.getTimerCount()).toBe(inside.size);
          }
          quarantine.clear(CLOSE.goingAway);
        },
      ),
      { numRuns: 60 },
    ));
});

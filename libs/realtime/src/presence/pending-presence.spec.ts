import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PendingPresence } from './pending-presence.js';
import type { PresenceChange, PresenceEntering } from './presence-store.js';

const ROOM = 'room:1';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

function entering(user: string): PresenceEntering {
  return { type: 'enter', channel: ROOM, connection: `of-${user}`, user };
}

function leave(pending: PendingPresence, user: string, graceMs = 1_000): void {
  const graceEndsAt = performance.now() + graceMs;
  pending.leave({ type: 'leave', channel: ROOM, connection: `of-${user}`, graceEndsAt });
}

function said(changes: readonly PresenceChange[]): readonly string[] {
  return changes.map(({ type, connection }) => `${type} ${connection}`);
}

describe('subscriptions that are not written yet', () => {
  it('that came and went are no news', () => {
    const pending = new PendingPresence();
    pending.enter(entering('ann'), false);
    leave(pending, 'ann');
    expect(pending.size).toBe(0);
  });

  it('have an end where the store may know them', () => {
    const pending = new PendingPresence();
    pending.enter(entering('ann'), true);
    leave(pending, 'ann');
    leave(pending, 'ben');
    expect(said(pending.take(10))).toEqual(['leave of-ann', 'leave of-ben']);
    expect(pending.size).toBe(0);
  });

  it('may be known once their write has begun, whether it was answered or not', () => {
    const pending = new PendingPresence();
    pending.enter(entering('ann'), false);
    pending.putBack(pending.take(1));
    leave(pending, 'ann');
    expect(said(pending.take(1))).toEqual(['leave of-ann']);
  });

  it('count as they are now: what came meanwhile goes before what is put back, and stands behind the others', () => {
    const pending = new PendingPresence();
    for (const user of ['ann', 'ben']) pending.enter(entering(user), false);
    const taken = pending.take(2);
    leave(pending, 'ann');
    pending.enter(entering('eve'), false);
    pending.putBack(taken);
    expect(said(pending.take(10))).toEqual(['leave of-ann', 'enter of-ben', 'enter of-eve']);
  });

  it('may be known where an older change of theirs was under way, unanswered', () => {
    const pending = new PendingPresence();
    leave(pending, 'ann');
    const taken = pending.take(1);
    pending.enter(entering('ann'), false);
    pending.putBack(taken);
    leave(pending, 'ann');
    expect(said(pending.take(10))).toEqual(['leave of-ann']);
  });

  it('leave in the order in which they came, as many as are wanted', () => {
    const pending = new PendingPresence();
    for (const user of ['ann', 'ben', 'eve']) pending.enter(entering(user), false);
    expect(said(pending.take(2))).toEqual(['enter of-ann', 'enter of-ben']);
    expect(pending.size).toBe(1);
  });

  it('end with what is left of their grace, however often they are put back', () => {
    const pending = new PendingPresence();
    leave(pending, 'ann', 1_000);
    vi.advanceTimersByTime(300);
    const taken = pending.take(1);
    expect(taken).toMatchObject([{ graceMs: 700 }]);
    pending.putBack(taken);
    vi.advanceTimersByTime(300);
    expect(pending.take(1)).toMatchObject([{ graceMs: 400 }]);
    leave(pending, 'ben', 100);
    vi.advanceTimersByTime(300);
    expect(pending.take(1)).toMatchObject([{ graceMs: 0 }]);
  });

  it('are forgotten where the store knew them and cleared them, and only there', () => {
    const pending = new PendingPresence();
    pending.enter(entering('ann'), true);
    leave(pending, 'ben');
    pending.enter(entering('new'), false);
    pending.forgetKnown();
    expect(said(pending.take(10))).toEqual(['enter of-new']);
  });

  it('are forgotten oldest end first, where too many wait; none that is still there', () => {
    const pending = new PendingPresence();
    pending.enter(entering('ann'), false);
    leave(pending, 'ben');
    leave(pending, 'eve');
    expect([pending.forgetOldest(), pending.forgetOldest(), pending.forgetOldest()]).toEqual([
      true,
      true,
      false,
    ]);
    expect(said(pending.take(10))).toEqual(['enter of-ann']);
  });
});

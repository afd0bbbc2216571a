import { describe, expect, it } from 'vitest';
import { PendingChanges } from './pending-changes.js';
import type { Entering } from './session-registry.js';

function entering(id: string, again = false): Entering {
  const record = {
    id,
    node: 'one',
    transport: 'websocket',
    address: '192.0.2.1',
    openedAt: 1,
    expiresAt: null,
  } as const;
  return { type: 'enter', user: 'ann', record, told: true, again };
}

function leave(pending: PendingChanges, connection: string): void {
  const graceEndsAt = performance.now() + 1_000;
  pending.leave({ type: 'leave', user: 'ann', connection, code: 1006, reason: '', graceEndsAt });
}

function said(pending: PendingChanges): readonly string[] {
  return pending
    .take(100)
    .map((change) =>
      change.type === 'enter'
        ? `enter ${change.record.id}${change.again ? ' again' : ''}`
        : `leave ${change.connection}`,
    );
}

describe('connections that are not written yet', () => {
  it('are told of though they came and went', () => {
    const pending = new PendingChanges();
    pending.enter(entering('a'));
    leave(pending, 'a');
    expect(pending.size).toBe(1);
    expect(said(pending)).toEqual(['enter a', 'leave a']);
  });

  it('stay news when they are renewed before they are written', () => {
    const pending = new PendingChanges();
    pending.enter(entering('a'));
    pending.enter(entering('a', true));
    expect(said(pending)).toEqual(['enter a']);
  });

  it('stay news when they are renewed while their write is under way, and it fails', () => {
    const pending = new PendingChanges();
    pending.enter(entering('a'));
    const taken = pending.take(1);
    pending.enter(entering('a', true));
    pending.putBack(taken);
    expect(said(pending)).toEqual(['enter a']);
  });

  it('have their end behind their beginning, where that was under way and failed', () => {
    const pending = new PendingChanges();
    pending.enter(entering('a'));
    const taken = pending.take(1);
    leave(pending, 'a');
    pending.enter(entering('b'));
    pending.putBack(taken);
    expect(said(pending)).toEqual(['enter a', 'leave a', 'enter b']);
  });

  it('that the store knew and cleared are forgotten, and those that it never heard of are not', () => {
    const pending = new PendingChanges();
    pending.enter(entering('known', true));
    leave(pending, 'gone');
    pending.enter(entering('new'));
    pending.forgetKnown();
    expect(said(pending)).toEqual(['enter new']);
  });
});

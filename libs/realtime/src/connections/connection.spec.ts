import { CLOSE } from '@aerie/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeWire } from '../../../../test/support/fake-wire.js';
import { Connection, type ConnectionOptions } from './connection.js';
import { OutboxBudget } from './outbox-budget.js';

const FULL = 64 * 1024;

function open(wire: FakeWire, options: Partial<ConnectionOptions> = {}): Connection {
  return new Connection({
    id: 'c1',
    wire,
    session: { user: 'alice', claims: {} },
    address: '192.0.2.1',
    outbox: { limitBytes: 100_000, budget: new OutboxBudget(Infinity, () => 1) },
    ...options,
  });
}

/** A connection whose peer has stopped reading, with one frame begun and one waiting. */
function behind(options: Partial<ConnectionOptions> = {}) {
  const wire = new FakeWire(0);
  const connection = open(wire, options);
  connection.sendFramed(Buffer.alloc(FULL + 10, 'a'));
  connection.sendFramed(Buffer.alloc(10, 'b'));
  return { wire, connection };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a connection', () => {
  it('sends a direct event as one frame', () => {
    const wire = new FakeWire();
    open(wire).emit('order.status', { id: 7 });
    expect(wire.frames).toEqual([{ event: 'order.status', data: { id: 7 } }]);
  });

  it('tells how many frames and bytes it sent', () => {
    const onSent = vi.fn();
    const connection = open(new FakeWire(), { onSent });
    connection.sendFramed(Buffer.alloc(12), { frames: 3 });
    expect(onSent).toHaveBeenCalledExactlyOnceWith(3, 12);
  });

  it('says goodbye after everything already sent, and sends nothing more', async () => {
    const { wire, connection } = behind();
    connection.close(CLOSE.goingAway);
    connection.emit('late');
    expect(connection.isOpen).toBe(false);
    expect(wire.goodbyes).toEqual([]);
    wire.drain(Infinity);
    await vi.advanceTimersByTimeAsync(0);
    expect(wire.goodbyes).toEqual([CLOSE.goingAway]);
    expect(wire.text).toBe('a'.repeat(FULL + 10) + 'b'.repeat(10));
  });

  it('is closed by the first call only', () => {
    const wire = new FakeWire();
    const connection = open(wire);
    connection.close(CLOSE.disconnected);
    connection.close(CLOSE.goingAway);
    connection.peerCloses(1000);
    expect(wire.goodbyes).toEqual([CLOSE.disconnected]);
    expect(connection.closedWith).toBe(CLOSE.disconnected);
  });

  it('cuts a peer that does not answer the goodbye within 5 s', async () => {
    const wire = new FakeWire();
    open(wire).close(CLOSE.goingAway);
    await vi.advanceTimersByTimeAsync(4_999);
    expect(wire.destroyed).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(wire.destroyed).toBe(true);
  });

  it('leaves no timer behind once its wire is gone', () => {
    const connection = open(new FakeWire());
    connection.close(CLOSE.goingAway);
    connection.ended();
    expect(vi.getTimerCount()).toBe(0);
    connection.close(CLOSE.goingAway);
    connection.emit('late');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('reads on for the answer to its goodbye, also where reading was paused', () => {
    const wire = new FakeWire();
    const connection = open(wire);
    connection.pauseReading();
    expect(wire.paused).toBe(true);
    connection.close(CLOSE.goingAway);
    expect(wire.paused).toBe(false);
  });

  it("answers a peer's goodbye with the peer's own code, after the frame that was begun and nothing else", async () => {
    const { wire, connection } = behind();
    connection.peerCloses(4000);
    wire.drain(Infinity);
    await vi.advanceTimersByTimeAsync(0);
    expect(wire.goodbyes).toEqual([{ code: 4000 }]);
    expect(wire.text).toBe('a'.repeat(FULL + 10));
    expect(connection.closedWith).toBeUndefined();
  });

  it('closes a peer that owes too much with 4008, after the frame that was begun, and cuts it after 5 s', async () => {
    const onSlow = vi.fn();
    const { wire, connection } = behind({ onSlow });
    connection.sendFramed(Buffer.alloc(50_000, 'c'));
    expect(onSlow).toHaveBeenCalledTimes(1);
    expect([connection.isOpen, connection.closedWith]).toEqual([false, CLOSE.slowConsumer]);
    wire.drain(FULL + 10);
    await vi.advanceTimersByTimeAsync(0);
    expect(wire.goodbyes).toEqual([CLOSE.slowConsumer]);
    expect(wire.text).toBe('a'.repeat(FULL + 10));
    await vi.advanceTimersByTimeAsync(5_000);
    expect(wire.destroyed).toBe(true);
  });

  it('sends no ping to a peer that is behind: it shows life by reading', () => {
    const { wire, connection } = behind();
    connection.ping();
    expect(wire.pings).toBe(0);
    const idle = new FakeWire();
    open(idle).ping();
    expect(idle.pings).toBe(1);
  });

  it('takes a new session of the same user, and of nobody else', () => {
    const connection = open(new FakeWire());
    connection.renew({ user: 'alice', claims: { role: 'admin' } });
    expect(connection.session.claims).toEqual({ role: 'admin' });
    expect(() => connection.renew({ user: 'bob', claims: {} })).toThrow('cannot change its user');
  });
});

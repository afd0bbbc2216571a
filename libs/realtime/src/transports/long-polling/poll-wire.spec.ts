import { describe, expect, it, vi } from 'vitest';
import { CLOSE } from '@aerie/protocol';
import { Connection } from '../../connections/connection.js';
import { OutboxBudget } from '../../connections/outbox-budget.js';
import { EventId } from '../event-id.js';
import { PollWire } from './poll-wire.js';

const KIB = 1024;

function opened(
  limitBytes = 1024 * KIB,
  earlier?: ConstructorParameters<typeof EventId>[1],
): { wire: PollWire; connection: Connection; onSlow: () => void } {
  const id = new EventId(() => 'proof', earlier);
  const wire = new PollWire({ id, proof: () => 'proof' });
  const onSlow = vi.fn();
  const connection = new Connection({
    id: 'c1',
    wire,
    session: { user: 'ann', claims: {} },
    address: '127.0.0.1',
    outbox: { limitBytes, budget: new OutboxBudget(256 * KIB * KIB, () => 1) },
    onSlow,
  });
  return { wire, connection, onSlow };
}

function framesOf(wire: PollWire): unknown[] {
  return JSON.parse(`[${wire.takeBatch()?.frames.toString() ?? ''}]`) as unknown[];
}

describe('a wire that is polled', () => {
  it('keeps what is sent until a batch takes it', () => {
    const { wire, connection } = opened();
    connection.emit('a', 1);
    connection.emit('b', '\u2028"\n😀');
    expect(wire.bufferedBytes).toBeGreaterThan(0);
    expect(framesOf(wire)).toEqual([
      { event: 'a', data: 1 },
      { event: 'b', data: '\u2028"\n😀' },
    ]);
    expect([wire.bufferedBytes, connection.bytesOwed]).toEqual([0, 0]);
    expect(wire.takeBatch()).toBeUndefined();
  });

  it('tells with each batch where the client stands behind it', () => {
    const { wire, connection } = opened();
    connection.emit('a');
    expect(wire.takeBatch()?.id).toBe('proof');
    connection.emit('b');
    connection.mark('room:7', { epoch: 'e', offset: 4 });
    expect(wire.lastId).toBe('proof');
    expect(wire.takeBatch()).toEqual({ id: 'proof;room:7/e/4', frames: Buffer.from('{"event":"b"}') });
    connection.emit('c');
    expect(wire.takeBatch()?.id).toBe('proof;room:7/e/4');
  });

  it('keeps where its client stood in channels that are not subscribed again yet', () => {
    const { wire, connection } = opened(KIB, new Map([['room:7', { epoch: 'e', offset: 3 }]]));
    connection.emit('a');
    expect(wire.takeBatch()?.id).toBe('proof;room:7/e/3');
  });

  it('puts a frame together that the outbox hands over in slices', () => {
    const { wire, connection } = opened();
    const large = '😀'.repeat(100 * KIB);
    connection.emit('large', large);
    connection.emit('small');
    expect(wire.bufferedBytes).toBe(64 * KIB);
    expect(framesOf(wire)).toEqual([{ event: 'large', data: large }]);
    expect(framesOf(wire)).toEqual([{ event: 'small' }]);
    expect(connection.bytesOwed).toBe(0);
  });

  it('fills a batch up to 256 KiB, and goes on with the next one', () => {
    const { wire, connection } = opened();
    const sent = Array.from({ length: 90 }, (_, index) => ({
      event: 'n',
      data: `${index}`.padEnd(10 * KIB),
    }));
    for (const { event, data } of sent) connection.emit(event, data);
    const batches: unknown[][] = [];
    for (let batch = framesOf(wire); batch.length > 0; batch = framesOf(wire)) batches.push(batch);
    expect(batches.flat()).toEqual(sent);
    expect(batches.length).toBeGreaterThan(2);
    for (const batch of batches) expect(JSON.stringify(batch).length).toBeLessThan(330 * KIB);
    expect(connection.bytesOwed).toBe(0);
  });

  it('ends a client that does not poll, as a slow consumer', () => {
    const { wire, connection, onSlow } = opened(100 * KIB);
    for (let index = 0; index < 30; index += 1) connection.emit('n', 'x'.repeat(5 * KIB));
    expect(onSlow).toHaveBeenCalledOnce();
    const frames: unknown[] = [];
    for (let batch = framesOf(wire); batch.length > 0; batch = framesOf(wire)) frames.push(...batch);
    expect(frames.at(-1)).toEqual({ event: '$close', data: { ...CLOSE.slowConsumer } });
    expect(wire.isOver).toBe(true);
    wire.destroy();
    connection.ended();
  });

  it('says goodbye in its last batch', () => {
    const { wire, connection } = opened();
    connection.emit('a');
    connection.close(CLOSE.goingAway);
    expect(wire.isOver).toBe(false);
    expect(framesOf(wire)).toEqual([{ event: 'a' }, { event: '$close', data: { ...CLOSE.goingAway } }]);
    expect(wire.isOver).toBe(true);
    connection.ended();
  });

  it('forgets everything when it is destroyed, and tells once', async () => {
    const { wire, connection } = opened();
    const closed = vi.fn(() => connection.ended());
    wire.onClosed(closed);
    connection.emit('a');
    wire.destroy();
    wire.destroy();
    connection.emit('b');
    expect(closed).not.toHaveBeenCalled();
    await vi.waitFor(() => expect(closed).toHaveBeenCalledOnce());
    expect(wire.takeBatch()).toBeUndefined();
  });
});

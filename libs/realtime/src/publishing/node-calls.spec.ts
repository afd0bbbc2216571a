import { Logger } from '@nestjs/common';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Refusal } from '../refusal.js';
import { NodeCalls } from './node-calls.js';
import type { PublishOutcome } from './outcome.js';

const DOWN: PublishOutcome = {
  ok: false,
  error: { code: 'unavailable', message: 'no backplane' },
  idempotencyKey: 'k',
};

/** Nodes on a backplane that brings each frame to the node whose channel it is for. */
class Nodes {
  readonly byChannel = new Map<string, Pick<NodeCalls, 'receive'>>();
  isUp = true;

  add(node: string): NodeCalls {
    const calls = new NodeCalls({
      node,
      publisher: {
        publish: async ({ channel, frame }) => {
          if (!this.isUp) return DOWN;
          this.byChannel.get(channel)?.receive(Buffer.from(JSON.stringify(frame)));
          return { ok: true };
        },
      },
    });
    this.byChannel.set(calls.channel, calls);
    return calls;
  }
}

describe('a call to a node', () => {
  const nodes = new Nodes();
  const near = nodes.add('near');
  const far = nodes.add('a far/one');
  far.handle('double', (data) => Promise.resolve((data as number) * 2));
  far.handle('fail', () => Promise.reject(new Error('it broke')));
  near.handle('double', (data) => (data as number) + 1);
  afterEach(() => {
    nodes.isUp = true;
    vi.useRealTimers();
  });

  it('is answered by that node', async () => {
    expect(await near.call('a far/one', { name: 'double', data: 21 })).toBe(42);
    expect(await near.call('near', { name: 'double', data: 21 })).toBe(22);
  });

  it('comes to nothing in time where the node is gone, does not know how, or fails', async () => {
    vi.useFakeTimers();
    Logger.overrideLogger(false);
    const asked = [
      near.call('elsewhere', { name: 'double', data: 1 }),
      near.call('a far/one', { name: 'unheard of', data: 1 }),
      near.call('a far/one', { name: 'fail', data: 1 }),
      near.call('a far/one', { name: 'double', data: 1, timeoutMs: 1 }),
    ];
    await vi.advanceTimersByTimeAsync(5_000);
    const unavailable = expect.objectContaining({ code: 'unavailable' }) as unknown;
    expect(await Promise.all(asked)).toEqual([unavailable, unavailable, unavailable, 2]);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(vi.getTimerCount()).toBe(0);
    Logger.overrideLogger(true);
  });

  it('may take its time where the node shows that it is there, and none where it died', async () => {
    vi.useFakeTimers();
    const late = Promise.withResolvers<string>();
    far.handle('wait', () => late.promise);
    const dying = nodes.add('dying');
    dying.handle('wait', () => new Promise(() => undefined));
    const outcomes: unknown[] = [];
    const ask = (node: string): void => {
      void near
        .call(node, { name: 'wait', data: null, timeoutMs: 60_000 })
        .then((outcome) => outcomes.push(outcome));
    };
    ask('a far/one');
    ask('dying');
    await vi.advanceTimersByTimeAsync(20_000);
    expect(outcomes).toEqual([]);
    nodes.byChannel.delete(dying.channel);
    await vi.advanceTimersByTimeAsync(6_000);
    expect(outcomes).toMatchObject([{ code: 'unavailable', retryAfterSeconds: 1 }]);
    ask('dying');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(outcomes).toHaveLength(2);
    late.resolve('at last');
    await vi.advanceTimersByTimeAsync(0);
    expect(outcomes[2]).toBe('at last');
    nodes.byChannel.set(dying.channel, dying);
    ask('dying');
    await vi.advanceTimersByTimeAsync(20_000);
    expect(outcomes).toHaveLength(3);
    near.close();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('may take its time where an older node answers it, which knows no signs of life', async () => {
    vi.useFakeTimers();
    const late = Promise.withResolvers<string>();
    const older = nodes.add('older');
    older.handle('wait', () => late.promise);
    nodes.byChannel.set(older.channel, {
      receive: (bytes) => bytes.toString().includes('"name":"pulse"') || older.receive(bytes),
    });
    const answer = near.call('older', { name: 'wait', data: null, timeoutMs: 13_000 });
    await vi.advanceTimersByTimeAsync(10_000);
    late.resolve('at last');
    expect(await answer).toBe('at last');
    near.close();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('of one kind is never refused because of many of another', async () => {
    const asker = nodes.add('asker');
    const held = Array.from({ length: 10_000 }, () => asker.call('elsewhere', { name: 'poll', data: null }));
    expect(await asker.call('elsewhere', { name: 'poll', data: null })).toMatchObject({
      code: 'overloaded',
      retryAfterSeconds: 1,
    });
    expect(await asker.call('a far/one', { name: 'double', data: 4 })).toBe(8);
    asker.close();
    expect(await Promise.all(held)).toHaveLength(10_000);
    const after = asker.call('elsewhere', { name: 'poll', data: null });
    asker.close();
    expect(await after).toMatchObject({ code: 'unavailable' });
  });

  it('fails at once where the backplane is away, or this node ends', async () => {
    nodes.isUp = false;
    expect(await near.call('a far/one', { name: 'double', data: 1 })).toBeInstanceOf(Refusal);
    nodes.isUp = true;
    const pending = near.call('elsewhere', { name: 'double', data: 1 });
    near.close();
    expect(await pending).toBeInstanceOf(Refusal);
  });

  it('takes no harm from what it does not understand', () => {
    Logger.overrideLogger(false);
    for (const bytes of ['', 'null', '{"type":"order"}', '{"type":"answer","id":"unknown"}'])
      expect(() => near.receive(Buffer.from(bytes))).not.toThrow();
    Logger.overrideLogger(true);
  });
});

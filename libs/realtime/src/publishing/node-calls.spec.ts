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
  readonly byChannel = new Map<string, NodeCalls>();
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
    expect(vi.getTimerCount()).toBe(0);
    Logger.overrideLogger(true);
  });

  it('comes to nothing soon where the node dies while it takes its time, and waits for one that lives', async () => {
    vi.useFakeTimers();
    const dying = nodes.add('dying');
    const { promise, resolve } = Promise.withResolvers<string>();
    for (const node of [dying, far]) node.handle('wait', () => promise);
    const call = { name: 'wait', data: null, timeoutMs: 13_000 };
    const [toDying, toFar] = [near.call('dying', call), near.call('a far/one', call)];
    await vi.advanceTimersByTimeAsync(3_000);
    nodes.byChannel.delete(dying.channel);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(await toDying).toMatchObject({ code: 'unavailable' });
    resolve('done');
    expect(await toFar).toBe('done');
    await vi.advanceTimersByTimeAsync(2_000);
    expect(vi.getTimerCount()).toBe(0);
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

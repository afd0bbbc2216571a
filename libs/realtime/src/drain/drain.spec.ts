import { CLOSE, type Close } from '@aerie/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Admission } from '../connections/admission.js';
import { Connection } from '../connections/connection.js';
import { ConnectionRegistry } from '../connections/connection-registry.js';
import { Descriptors } from '../connections/descriptors.js';
import { OutboxBudget } from '../connections/outbox-budget.js';
import { Wire, type Framing } from '../connections/wire.js';
import { Drain, type DrainOptions } from './drain.js';

const PLAIN: Framing = {
  name: 'plain',
  frame: (payload) => Buffer.from(payload),
  binary: (payload) => Buffer.from(payload),
};

/** A peer that answers a goodbye a moment later, unless it is mute. */
class FakePeer extends Wire {
  readonly transport = 'websocket';
  readonly framing = PLAIN;
  readonly subprotocol = '';
  readonly bufferedBytes = 0;
  readonly paused = false;
  readonly received: { event: string; data: { afterMs: number; reason: string }; at: number }[] = [];
  closedAt: number | undefined;
  closedWith: Close | undefined;
  destroyed = false;
  constructor(
    readonly gone: (code: number) => void,
    readonly mute = false,
  ) {
    super();
  }
  write(bytes: Uint8Array): void {
    this.received.push({ ...JSON.parse(Buffer.from(bytes).toString()), at: Date.now() });
  }
  answerClose(): void {}
  ping(): void {}
  pause(): void {}
  resume(): void {}
  close(close: Close): void {
    this.closedAt = Date.now();
    this.closedWith = close;
    if (!this.mute) setTimeout(() => this.gone(close.code), 1);
  }
  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.gone(1006);
  }
}

class Node {
  readonly registry = new ConnectionRegistry();
  readonly admission = new Admission({
    maxConnections: 10_000,
    descriptors: new Descriptors(),
    connections: () => this.registry.size,
  });
  readonly drain: Drain;
  constructor(options: DrainOptions = {}) {
    this.drain = new Drain(this, options);
  }
  connect(options: { mute?: boolean } = {}): FakePeer {
    const id = `c${Math.random()}`;
    const peer: FakePeer = new FakePeer((code) => {
      connection.ended();
      this.registry.remove(connection, { code, reason: '' });
    }, options.mute);
    const connection = new Connection({
      id,
      wire: peer,
      session: { user: id, claims: {} },
      address: '127.0.0.1',
      outbox: { limitBytes: 1_000_000, budget: new OutboxBudget(1_000_000, () => this.registry.size) },
    });
    this.registry.add(connection);
    return peer;
  }
}

describe('Drain', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it('ends at once when nobody is connected', async () => {
    const { drain } = new Node();
    await drain.begin();
    expect(drain.report).toMatchObject({ state: 'drained', remaining: 0 });
  });

  it('tells everyone at once and closes each with 1001 when its own time has come', async () => {
    const node = new Node({ windowMs: 30_000 });
    const peers = Array.from({ length: 1_200 }, () => node.connect());
    const drained = node.drain.begin();
    const startedAt = Date.now();
    await vi.advanceTimersByTimeAsync(30_000);
    await drained;
    for (const peer of peers) {
      const [notice] = peer.received;
      expect(notice).toMatchObject({ event: '$reconnect', data: { reason: 'draining' } });
      const dueAt = (notice?.at ?? 0) + (notice?.data.afterMs ?? 0);
      expect(Math.abs((peer.closedAt ?? 0) - dueAt)).toBeLessThanOrEqual(60);
      expect(peer.closedWith).toBe(CLOSE.goingAway);
      expect((peer.closedAt ?? 0) - startedAt).toBeGreaterThanOrEqual(5_000);
      expect((peer.closedAt ?? 0) - startedAt).toBeLessThanOrEqual(27_060);
      expect((notice?.at ?? 0) - startedAt).toBeLessThan(100);
    }
    expect(node.registry.size).toBe(0);
  });

  it('refuses upgrades from the start when there is no lame duck', () => {
    const node = new Node();
    node.connect();
    void node.drain.begin();
    expect(node.admission.state).toBe('closed');
    expect(node.drain.phase).toBe('draining');
    return vi.runAllTimersAsync();
  });

  it('accepts upgrades while a lame duck, gives those a slot too, then refuses', async () => {
    const node = new Node({ windowMs: 10_000, lameDuckMs: 5_000 });
    const drained = node.drain.begin();
    expect(node.drain.phase).toBe('lame-duck');
    await vi.advanceTimersByTimeAsync(4_000);
    expect(node.admission.refuses()).toBeUndefined();
    const peer = node.connect();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(node.admission.refuses()).toBe('draining');
    expect(peer.received[0]?.event).toBe('$reconnect');
    await vi.advanceTimersByTimeAsync(10_000);
    await drained;
    expect(peer.closedWith).toBe(CLOSE.goingAway);
  });

  it('gives a slot to a handshake that ends after the door closed', async () => {
    const node = new Node({ windowMs: 10_000 });
    node.connect();
    const drained = node.drain.begin();
    await vi.advanceTimersByTimeAsync(500);
    const late = node.connect();
    await vi.advanceTimersByTimeAsync(100);
    expect(late.received[0]?.event).toBe('$reconnect');
    await vi.advanceTimersByTimeAsync(9_000);
    await drained;
    expect(late.closedWith).toBe(CLOSE.goingAway);
  });

  it('ends as soon as the last client has left by itself', async () => {
    const node = new Node({ windowMs: 30_000 });
    const peer = node.connect();
    const drained = node.drain.begin();
    await vi.advanceTimersByTimeAsync(1_000);
    peer.gone(1000);
    await drained;
    expect(node.drain.phase).toBe('drained');
  });

  it('destroys whoever has not gone when the window is over', async () => {
    const node = new Node({ windowMs: 4_000 });
    const mute = node.connect({ mute: true });
    const drained = node.drain.begin();
    await vi.advanceTimersByTimeAsync(3_900);
    expect(mute.destroyed).toBe(false);
    await vi.advanceTimersByTimeAsync(100);
    await drained;
    expect(mute.destroyed).toBe(true);
    expect(node.registry.size).toBe(0);
  });

  it('says goodbye also in a window of 0, as a development server has it', async () => {
    const node = new Node({ windowMs: 0 });
    const peers = [node.connect(), node.connect()];
    const mute = node.connect({ mute: true });
    const drained = node.drain.begin();
    await vi.advanceTimersByTimeAsync(100);
    for (const { closedWith, destroyed } of peers) {
      expect(closedWith).toEqual(CLOSE.goingAway);
      expect(destroyed).toBe(false);
    }
    await vi.advanceTimersByTimeAsync(2_000);
    expect(mute.destroyed).toBe(true);
    await drained;
  });

  it('is joined, not started again, by whoever begins it twice', async () => {
    const node = new Node({ windowMs: 4_000 });
    const peer = node.connect();
    const both = Promise.all([node.drain.begin(), node.drain.begin()]);
    await vi.advanceTimersByTimeAsync(4_000);
    await both;
    expect(peer.received).toHaveLength(1);
  });

  it('reports how many are left and since when', async () => {
    const node = new Node({ windowMs: 4_000 });
    node.connect();
    expect(node.drain.report).toEqual({ state: 'idle', remaining: 1, startedAt: null });
    const startedAt = Date.now();
    void node.drain.begin();
    expect(node.drain.report).toEqual({ state: 'draining', remaining: 1, startedAt });
    await vi.advanceTimersByTimeAsync(4_000);
    expect(node.drain.report).toEqual({ state: 'drained', remaining: 0, startedAt });
  });

  it('tells its phases in order and waits for what is done when it is over', async () => {
    const node = new Node({ windowMs: 4_000, lameDuckMs: 100 });
    const phases: string[] = [];
    let released = false;
    node.drain.onPhase(async (phase) => {
      phases.push(phase);
      if (phase !== 'drained') return;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      released = true;
    });
    node.drain.onPhase(() => {
      throw new Error('a listener that fails stops nothing');
    });
    const drained = node.drain.begin().then(() => released);
    await vi.advanceTimersByTimeAsync(1_100);
    expect(await drained).toBe(true);
    expect(phases).toEqual(['lame-duck', 'draining', 'drained']);
  });

  it('waits no longer than 5 s for a listener that hangs', async () => {
    const node = new Node();
    node.drain.onPhase(() => new Promise(() => undefined));
    const drained = node.drain.begin();
    await vi.advanceTimersByTimeAsync(5_000);
    await drained;
  });

  describe('without drainOnSignals', () => {
    it('runs whole in the shutdown hooks of a signal', async () => {
      const node = new Node({ windowMs: 8_000, lameDuckMs: 5_000 });
      const peer = node.connect();
      node.drain.onModuleDestroy();
      expect(node.admission.refuses()).toBe('draining');
      const over = node.drain.beforeApplicationShutdown('SIGTERM');
      await vi.advanceTimersByTimeAsync(1_900);
      expect(peer.closedAt).toBeUndefined();
      await vi.advanceTimersByTimeAsync(6_000);
      await over;
      expect(peer.closedWith).toBe(CLOSE.goingAway);
    });

    it('closes everyone at once when the application closes itself, but spreads their return', async () => {
      const node = new Node({ windowMs: 30_000 });
      const peer = node.connect();
      const over = node.drain.beforeApplicationShutdown();
      await vi.advanceTimersByTimeAsync(10);
      await over;
      expect(peer.closedWith).toBe(CLOSE.goingAway);
      expect(peer.received[0]?.data.afterMs).toBeGreaterThanOrEqual(4_900);
    });

    it('joins a drain that runs already', async () => {
      const node = new Node({ windowMs: 4_000 });
      const peer = node.connect();
      void node.drain.begin();
      const over = node.drain.beforeApplicationShutdown();
      await vi.advanceTimersByTimeAsync(900);
      expect(peer.closedAt).toBeUndefined();
      await vi.advanceTimersByTimeAsync(3_100);
      await over;
      expect(peer.received).toHaveLength(1);
    });
  });
});

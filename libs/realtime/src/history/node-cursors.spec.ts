import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { connect } from '../../../../test/support/connections.js';
import { SlowHistory } from '../../../../test/support/slow-history.js';
import { ConnectionRegistry } from '../connections/connection-registry.js';
import { RealtimeMetrics } from '../metrics/meter.js';
import { LocalFanout } from '../publishing/local-fanout.js';
import { ChannelHistories } from './channel-histories.js';
import { HeldBack } from './held-back.js';
import { NodeCursors } from './node-cursors.js';
import { ResyncNotices } from './resync-notices.js';

const limits = { size: 100, ttlMs: 3_600_000 };

/** A node's cursors with everything that they reach, down to the wires of the members. */
class Scene {
  readonly registry = new ConnectionRegistry();
  readonly store = new SlowHistory();
  readonly cursors: NodeCursors;
  /** Lets everything pass. */
  readonly gate = { passed: (): Promise<void> => Promise.resolve() };
  readonly #notices: ResyncNotices;
  readonly #fanout: LocalFanout;

  constructor() {
    const { registry, store } = this;
    const heldBack = new HeldBack();
    const metrics = new RealtimeMetrics();
    const target = (channel: string) => {
      const members = registry.inChannel(channel);
      const receivers = () => heldBack.without(channel, members);
      return { members: receivers, count: members.size, slow: 'disconnect' } as const;
    };
    const fanout = new LocalFanout({ target });
    this.#fanout = fanout;
    this.#notices = new ResyncNotices({ registry, fanout, heldBack, metrics });
    const limitsOf = (channel: string) => (channel.startsWith('plain') ? undefined : limits);
    const histories = new ChannelHistories({ history: store, limitsOf });
    this.cursors = new NodeCursors({ histories, fanout, notices: this.#notices, metrics, gate: this.gate });
    store.turns = () => ({ there: 0, back: 0 });
  }

  async member(channel = 'room:7') {
    await this.cursors.follow(channel, Promise.resolve());
    return this.enter(channel);
  }

  enter(channel = 'room:7') {
    const { connection, wire } = connect('ann');
    this.registry.add(connection);
    this.#fanout.flush(channel);
    this.registry.join(connection, channel);
    return { connection, wire };
  }

  leave(member: ReturnType<typeof connect>): void {
    this.#fanout.settle('room:7', member.connection);
    this.registry.leave(member.connection, 'room:7');
  }

  /** Appends, and lets the backplane bring it unless it is to be missed. */
  async publish(text: string, { missed = false, channel = 'room:7' } = {}): Promise<void> {
    const frame = Buffer.from(JSON.stringify({ text }));
    const appended = this.store.append({ channel, frame, idempotencyKey: randomUUID(), limits });
    await vi.advanceTimersByTimeAsync(0);
    const { epoch = '', offset = 0 } = await appended;
    if (!missed) this.cursors.receive(channel, { frame, position: { epoch, offset } });
  }

  close(): void {
    this.cursors.close();
    this.#notices.close();
  }
}

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const textsOf = (wire: { text: string }): string[] =>
  [...wire.text.matchAll(/"text":"(.)"|"reason":"(\w+)"/g)].map(([, text, reason]) => text ?? reason ?? '');

let scene: Scene;
beforeEach(() => {
  vi.useFakeTimers();
  scene = new Scene();
});
afterEach(() => {
  scene.close();
  vi.useRealTimers();
});

describe('the cursors of a node', () => {
  it('are opened for channels with a history only', async () => {
    expect(scene.cursors.follow('plain:1', Promise.resolve())).toBeUndefined();
    await scene.cursors.follow('room:7', Promise.resolve());
    expect(scene.cursors.get('room:7')?.position?.offset).toBe(0);
    scene.cursors.release('room:7');
    expect(scene.cursors.get('room:7')).toBeUndefined();
  });

  it('find within 40 s what a silent channel missed', async () => {
    const { wire } = await scene.member();
    await scene.publish('a', { missed: true });
    await pass(25_000);
    expect(textsOf(wire)).toEqual([]);
    await pass(16_000);
    expect(textsOf(wire)).toEqual(['a']);
  });

  it('hand over nothing that was read before the node stood still, until it is known whether it goes on', async () => {
    const { wire } = await scene.member();
    await scene.publish('a', { missed: true });
    const { promise, resolve } = Promise.withResolvers<undefined>();
    vi.spyOn(scene.gate, 'passed').mockReturnValue(promise);
    await scene.publish('b');
    await pass(1_000);
    expect(textsOf(wire)).toEqual([]);
    resolve(undefined);
    await pass(1_000);
    expect(textsOf(wire)).toEqual(['a', 'b']);
  });

  it('ask nothing for a channel that is heard of', async () => {
    const { wire } = await scene.member();
    const position = vi.spyOn(scene.store, 'position');
    for (let round = 0; round < 8; round += 1) {
      await scene.publish('a');
      await pass(20_000);
    }
    expect(textsOf(wire)).toHaveLength(8);
    expect(position).not.toHaveBeenCalled();
  });

  it('find soon after a gap what was missed in it, and try again while the history is away', async () => {
    const { wire } = await scene.member();
    await scene.publish('a', { missed: true });
    scene.store.away = true;
    scene.cursors.gap();
    await pass(5_000);
    expect(textsOf(wire)).toEqual([]);
    scene.store.away = false;
    await pass(3_000);
    expect(textsOf(wire)).toEqual(['a']);
  });

  it('go on by themselves where the reading of a gap had failed', async () => {
    const { wire } = await scene.member();
    scene.store.away = true;
    await scene.publish('a', { missed: true });
    await scene.publish('b');
    await pass(1);
    scene.store.away = false;
    await pass(3_000);
    expect(textsOf(wire)).toEqual(['a', 'b']);
  });

  it('give frames of a channel that is not followed on as they are', async () => {
    const { wire } = scene.enter('plain:1');
    scene.cursors.receive('plain:1', {
      frame: Buffer.from('{"text":"a"}'),
      position: { epoch: 'e', offset: 4 },
    });
    await pass(1);
    expect(wire.text).toBe('{"text":"a"}');
  });
});

describe('a member of a channel that lost publications', () => {
  it('is told within 5 s, gets nothing before, and everything after the position that it is told', async () => {
    const members = [];
    for (let n = 0; n < 50; n += 1) members.push(await scene.member());
    await scene.publish('a');
    scene.store.flush();
    await scene.publish('b', { missed: true });
    await scene.publish('c');
    for (let n = 0; n < 6; n += 1) {
      await pass(1_000);
      await scene.publish(String(n));
    }
    await pass(1);
    const tails = members.map(({ wire }) => textsOf(wire));
    for (const texts of tails) {
      expect(texts.slice(0, 2)).toEqual(['a', 'new_epoch']);
      expect('012345'.endsWith(texts.slice(2).join(''))).toBe(true);
    }
    expect(new Set(tails.map((texts) => texts.length)).size).toBeGreaterThan(2);
    const [offsets] = members.map(({ wire }) =>
      [...wire.text.matchAll(/"offset":(\d+)/g)].map(([, n]) => Number(n)),
    );
    // a at 1; the position of the notice; whatever follows it without a hole.
    const [first, told = 0, ...after] = offsets ?? [];
    expect(first).toBe(1);
    expect(after).toEqual(after.map((_, index) => told + index + 1));
  });

  it('is not told where it left, and joined anew behind the loss', async () => {
    await scene.member();
    const second = await scene.member();
    scene.store.flush();
    await scene.publish('a');
    await pass(0);
    scene.leave(second);
    scene.registry.join(second.connection, 'room:7');
    await scene.publish('b');
    await pass(6_000);
    expect(textsOf(second.wire)).toEqual(['b']);
  });

  it('is told where it came before the history answered', async () => {
    scene.store.away = true;
    await expect(scene.cursors.follow('room:7', Promise.resolve())).rejects.toThrow('away');
    const { wire } = scene.enter();
    scene.store.away = false;
    await scene.publish('a');
    await scene.cursors.follow('room:7', Promise.resolve());
    await pass(5_000);
    expect(textsOf(wire)).toEqual(['late']);
    await scene.publish('b');
    await pass(1);
    expect(textsOf(wire)).toEqual(['late', 'b']);
  });

  it('is told nothing by who followed the channel before it, and let go of it before the history answered', async () => {
    scene.store.away = true;
    await expect(scene.cursors.follow('room:7', Promise.resolve())).rejects.toThrow('away');
    scene.store.away = false;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const { position } = scene.store;
    vi.spyOn(scene.store, 'position').mockImplementationOnce(async (channel) => {
      await promise;
      return position.call(scene.store, channel);
    });
    const before = scene.cursors.follow('room:7', Promise.resolve());
    await pass(1);
    scene.cursors.release('room:7');
    const { wire } = await scene.member();
    resolve(undefined);
    await before;
    await scene.publish('a');
    await pass(5_000);
    expect(textsOf(wire)).toEqual(['a']);
  });
});

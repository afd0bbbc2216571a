import { randomUUID } from 'node:crypto';
import type { Position } from '@aerie/protocol';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nextTurn, SlowHistory } from '../../../../test/support/slow-history.js';
import { ConnectionRegistry } from '../connections/connection-registry.js';
import { RealtimeMetrics } from '../metrics/meter.js';
import { BackplaneUnavailable } from '../publishing/backplane.js';
import { LocalFanout } from '../publishing/local-fanout.js';
import { ChannelHistories } from './channel-histories.js';
import { HeldBack } from './held-back.js';
import { NodeCursors } from './node-cursors.js';
import { type Beginning, Recovery } from './recovery.js';
import { ResyncNotices } from './resync-notices.js';

const CHANNEL = 'room:7';
const ROOMY = 1_000_000;

/** A node whose members are lists of offsets. */
class Scene {
  readonly store = new SlowHistory();
  readonly cursors: NodeCursors;
  /** Lets everything pass. */
  readonly gate = { passed: () => Promise.resolve() };
  readonly recovery: Recovery;
  /** What each member got, by joining and after it. */
  readonly members: { got: number[]; joined: Beginning }[] = [];
  readonly #notices: ResyncNotices;

  constructor(private readonly limits = { size: 10_000, ttlMs: 3_600_000 }) {
    const [registry, metrics] = [new ConnectionRegistry(), new RealtimeMetrics()];
    const fanout = new LocalFanout({ target: () => undefined });
    fanout.deliver = (_channel, frame) => {
      for (const { got } of this.members) got.push(offsetOf(frame));
    };
    this.#notices = new ResyncNotices({ registry, fanout, heldBack: new HeldBack(), metrics });
    const histories = new ChannelHistories({ history: this.store, limitsOf: () => this.limits });
    this.cursors = new NodeCursors({ histories, fanout, notices: this.#notices, metrics, gate: this.gate });
    this.recovery = new Recovery({ cursors: this.cursors, metrics });
  }

  get position(): Position {
    return this.cursors.get(CHANNEL)?.position ?? { epoch: '', offset: -1 };
  }

  async open(): Promise<void> {
    await this.cursors.follow(CHANNEL, Promise.resolve());
  }

  async publish({ missed = false, bytes = 1 } = {}): Promise<void> {
    const frame = Buffer.from(JSON.stringify({ text: 'x'.repeat(bytes) }));
    const { epoch = '', offset = 0 } = await this.store.append({
      channel: CHANNEL,
      frame,
      idempotencyKey: randomUUID(),
      limits: this.limits,
    });
    if (!missed) this.cursors.receive(CHANNEL, { frame, position: { epoch, offset } });
  }

  async publishMany(count: number, options = {}): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => this.publish(options)));
  }

  /** Joins as `NodeChannels` does: begins in the step in which it becomes a member. */
  async join(position: Position, maxBytes = ROOMY): Promise<(typeof this.members)[number]> {
    await this.recovery.prepare(CHANNEL, position);
    const joined = this.recovery.begin(CHANNEL, position, maxBytes);
    const member = { joined, got: (joined.publications ?? []).map(offsetOf) };
    this.members.push(member);
    return member;
  }

  close(): void {
    this.recovery.close();
    this.cursors.close();
    this.#notices.close();
  }
}

function offsetOf(frame: Uint8Array): number {
  return (JSON.parse(Buffer.from(frame).toString()) as { offset: number }).offset;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

let scene: Scene;
beforeEach(async () => {
  scene = new Scene();
  await scene.open();
  await scene.publishMany(10);
});
afterEach(() => scene.close());

describe('who comes back', () => {
  it('gets what it missed and goes on behind it', async () => {
    const { joined, got } = await scene.join({ ...scene.position, offset: 4 });
    expect(joined).toMatchObject({ ...scene.position, recovered: true });
    await scene.publish();
    expect(got).toEqual(range(5, 11));
  });

  it('reads nothing where it missed nothing', async () => {
    const { joined } = await scene.join(scene.position);
    expect([joined.recovered, joined.publications, scene.store.reads]).toEqual([true, [], 0]);
  });

  it('starts anew where its history is no more', async () => {
    const { joined } = await scene.join({ epoch: 'another', offset: 4 });
    expect(joined).toEqual({ ...scene.position, recovered: false });
  });

  it('starts anew where it claims to be ahead of its history', async () => {
    const { joined } = await scene.join({ ...scene.position, offset: 11 });
    expect(joined).toEqual({ ...scene.position, recovered: false });
  });

  it('starts anew where what it missed is gone', async () => {
    scene = new Scene({ size: 5, ttlMs: 3_600_000 });
    await scene.open();
    await scene.publishMany(10);
    expect((await scene.join({ ...scene.position, offset: 4 })).joined.recovered).toBe(false);
    expect((await scene.join({ ...scene.position, offset: 5 })).got).toEqual(range(6, 10));
  });

  it('starts anew where that is more bytes than it may owe', async () => {
    const before = scene.position;
    await scene.publishMany(3, { bytes: 1_000 });
    expect((await scene.join(before, 3_500)).joined.recovered).toBe(true);
    expect((await scene.join(before, 2_500)).joined.recovered).toBe(false);
  });

  it('starts anew where that is more than 5,000 publications, or than 1 MiB', async () => {
    await scene.publishMany(5_001);
    expect((await scene.join({ ...scene.position, offset: 10 })).joined.recovered).toBe(false);
    expect((await scene.join({ ...scene.position, offset: 11 })).joined.recovered).toBe(true);
    const before = scene.position;
    await scene.publishMany(11, { bytes: 100_000 });
    expect((await scene.join(before, Infinity)).joined.recovered).toBe(false);
  });

  it('brings the node forward where it was further on another one', async () => {
    await scene.publishMany(2, { missed: true });
    const first = await scene.join({ ...scene.position, offset: 8 });
    expect(first.got).toEqual([9, 10]);
    const second = await scene.join({ ...scene.position, offset: 11 });
    expect([first.got, second.got]).toEqual([range(9, 12), [12]]);
  });

  it('learns of a new epoch before its node did', async () => {
    scene.store.flush();
    await scene.publishMany(2, { missed: true });
    const position = await scene.store.position({ channel: CHANNEL, limits: { size: 10, ttlMs: 60_000 } });
    const { joined, got } = await scene.join({ ...position, offset: 1 });
    expect([joined.recovered, joined.epoch, got]).toEqual([true, position.epoch, [2]]);
  });

  it('is refused as unavailable while the history is away', async () => {
    scene.store.away = true;
    await expect(scene.join({ ...scene.position, offset: 4 })).rejects.toBeInstanceOf(BackplaneUnavailable);
    scene.store.away = false;
    expect((await scene.join({ ...scene.position, offset: 4 })).got).toEqual(range(5, 10));
  });
});

describe('many who come back at once', () => {
  it('share their readings, from wherever they go on', async () => {
    await scene.publishMany(990);
    const joins = Array.from({ length: 2_000 }, (_, index) =>
      scene.join({ ...scene.position, offset: 500 + ((index * 7) % 500) }),
    );
    for (let n = 0; n < 5; n += 1) await scene.publish();
    const members = await Promise.all(joins);
    await scene.publish();
    for (const { joined, got } of members) {
      expect(joined.recovered).toBe(true);
      expect(got).toEqual(range(got[0] ?? 0, 1_006));
    }
    expect(scene.store.reads).toBeLessThan(30);
  });

  it('share a reading that finds nothing, too', async () => {
    scene = new Scene({ size: 5, ttlMs: 3_600_000 });
    await scene.open();
    await scene.publishMany(10);
    const joins = Array.from({ length: 500 }, () => scene.join({ ...scene.position, offset: 3 }));
    for (const { joined } of await Promise.all(joins)) expect(joined.recovered).toBe(false);
    expect(scene.store.reads).toBe(1);
  });

  it('are served though a busy channel overtakes what the node remembers', async () => {
    const before = scene.position;
    scene.store.turns = () => ({ there: 1, back: 5 });
    const join = scene.join(before, Infinity);
    await scene.publishMany(20, { bytes: 90_000 });
    const { joined, got } = await join;
    await scene.publish();
    if (joined.recovered === true) expect(got).toEqual(range(11, scene.position.offset));
    else expect(got).toEqual(range((joined.offset ?? 0) + 1, scene.position.offset));
  });
});

describe('whatever happens meanwhile', () => {
  const step = fc.oneof(
    { arbitrary: fc.constant('publish' as const), weight: 6 },
    { arbitrary: fc.constant('miss' as const), weight: 2 },
    { arbitrary: fc.constant('turn' as const), weight: 3 },
    { arbitrary: fc.nat({ max: 12 }), weight: 5 },
  );

  it('a client that is recovered gets every publication behind its position once and in order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 50 }), fc.nat({ max: 3 }), async (steps, turns) => {
        scene = new Scene({ size: 8, ttlMs: 3_600_000 });
        scene.store.turns = () => ({ there: turns, back: turns });
        await scene.open();
        const joins: Promise<unknown>[] = [];
        for (const what of steps) {
          if (what === 'publish') await scene.publish();
          else if (what === 'miss') await scene.publish({ missed: true });
          else if (what === 'turn') await nextTurn();
          else joins.push(joinBehind(Math.max(0, scene.position.offset - what)));
        }
        await Promise.all(joins);
        await scene.cursors.get(CHANNEL)?.check();
        scene.close();
      }),
      { numRuns: 300 },
    );

    async function joinBehind(offset: number): Promise<void> {
      const { joined, got } = await scene.join({ ...scene.position, offset });
      const from = joined.recovered === true ? offset : (joined.offset ?? 0);
      expect(got).toEqual(range(from + 1, from + got.length));
      if (joined.recovered === true) expect(from + got.length).toBe(joined.offset);
    }
  });
});

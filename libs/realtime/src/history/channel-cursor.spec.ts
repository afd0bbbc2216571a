import { randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { nextTurn, SlowHistory } from '../../../../test/support/slow-history.js';
import { BackplaneUnavailable } from '../publishing/backplane.js';
import { ChannelCursor } from './channel-cursor.js';

const CHANNEL = 'room:7';
const WAIT = { timeout: 5_000, interval: 1 };

/** A cursor, and a backplane that brings to it what the test lets through. */
class Scene {
  readonly store = new SlowHistory();
  /** Offsets that members got, and the losses that they were told of. */
  readonly got: (number | string)[] = [];
  readonly cursor: ChannelCursor;
  readonly limits: { size: number; ttlMs: number };
  healed = 0;

  constructor(size = 1_000) {
    this.limits = { size, ttlMs: 60_000 };
    this.cursor = new ChannelCursor({
      channel: CHANNEL,
      limits: this.limits,
      store: this.store,
      deliver: (frame) => this.got.push((JSON.parse(frame.toString()) as { offset: number }).offset),
      lost: (loss) => this.got.push(`${loss} ${this.cursor.position?.offset}`),
      healed: () => (this.healed += 1),
    });
  }

  /** Appends; unless it is to be missed, the backplane brings it. */
  async publish({ missed = false } = {}): Promise<void> {
    const frame = Buffer.from('{"event":"say"}');
    const { epoch = '', offset = 0 } = await this.store.append({
      channel: CHANNEL,
      frame,
      idempotencyKey: randomUUID(),
      limits: this.limits,
    });
    if (!missed) this.cursor.receive({ frame, position: { epoch, offset } });
  }

  async settled(): Promise<void> {
    await this.cursor.check();
    expect(this.cursor.position).toEqual(
      await this.store.position({ channel: CHANNEL, limits: this.limits }),
    );
  }
}

describe('the cursor of a channel', () => {
  let scene: Scene;
  beforeEach(async () => {
    scene = new Scene();
    await scene.publish({ missed: true });
    await scene.cursor.open();
  });

  it('begins where the channel stands, and goes on with what comes', async () => {
    expect(scene.cursor.position?.offset).toBe(1);
    for (let n = 0; n < 3; n += 1) await scene.publish();
    expect(scene.got).toEqual([2, 3, 4]);
    expect(scene.store.reads).toBe(0);
  });

  it('reads what was missed, once, and goes on with what came meanwhile', async () => {
    await scene.publish({ missed: true });
    await scene.publish({ missed: true });
    await scene.publish();
    await scene.publish();
    await vi.waitFor(() => expect(scene.got).toEqual([2, 3, 4, 5]), WAIT);
    await scene.publish();
    expect(scene.got).toEqual([2, 3, 4, 5, 6]);
    expect([scene.store.reads, scene.healed]).toEqual([1, 1]);
  });

  it('finds by a check what was missed without anything after it', async () => {
    await scene.publish({ missed: true });
    await scene.cursor.check();
    expect(scene.got).toEqual([2]);
    await scene.cursor.check();
    expect(scene.store.reads).toBe(1);
  });

  it('tells a loss where what was missed is no longer there, and goes on behind it', async () => {
    scene = new Scene(2);
    await scene.cursor.open();
    for (let n = 0; n < 5; n += 1) await scene.publish({ missed: true });
    await scene.publish();
    await vi.waitFor(() => expect(scene.got).toEqual(['gone 6']), WAIT);
    await scene.publish();
    expect(scene.got).toEqual(['gone 6', 7]);
  });

  it('tells a loss where the history began anew, also where its offsets look like the next ones', async () => {
    scene.store.flush();
    await scene.publish({ missed: true });
    await scene.publish();
    await vi.waitFor(() => expect(scene.got).toEqual(['new_epoch 2']), WAIT);
    await scene.publish();
    expect(scene.got).toEqual(['new_epoch 2', 3]);
  });

  it('does not take a frame of a history that is no more', async () => {
    const old = scene.cursor.position ?? { epoch: '', offset: 0 };
    scene.store.flush();
    await scene.publish();
    await vi.waitFor(() => expect(scene.got).toEqual(['new_epoch 1']), WAIT);
    scene.cursor.receive({ frame: Buffer.from('{"old":1}'), position: { epoch: old.epoch, offset: 2 } });
    await scene.settled();
    expect(scene.got).toEqual(['new_epoch 1']);
  });

  it('shares a reading among all who ask for it', async () => {
    await scene.publish({ missed: true });
    await Promise.all(Array.from({ length: 100 }, () => scene.cursor.catchUp()));
    expect([scene.got, scene.store.reads]).toEqual([[2], 1]);
  });

  it('finds by a check what a reading that was under way already was too early for', async () => {
    scene.store.turns = () => ({ there: 0, back: 3 });
    await scene.publish({ missed: true });
    void scene.cursor.catchUp();
    await nextTurn();
    await scene.publish({ missed: true });
    await scene.cursor.check();
    expect(scene.got).toEqual([2, 3]);
  });

  it('holds everything back while the history is away, and goes on when it is back', async () => {
    scene.store.away = true;
    await scene.publish({ missed: true });
    await scene.publish();
    await vi.waitFor(() => expect(scene.cursor.isStuck).toBe(true), WAIT);
    await scene.publish();
    await expect(scene.cursor.check()).rejects.toBeInstanceOf(BackplaneUnavailable);
    expect([scene.got, scene.store.reads]).toEqual([[], 2]);
    scene.store.away = false;
    await scene.cursor.check();
    expect(scene.got).toEqual([2, 3, 4]);
  });

  it('misses nothing though more comes during a reading than may wait', async () => {
    scene = new Scene(10_000);
    await scene.cursor.open();
    scene.store.turns = () => ({ there: 0, back: 2_000 });
    await scene.publish({ missed: true });
    for (let n = 0; n < 1_500; n += 1) await scene.publish();
    scene.store.turns = () => ({ there: 1, back: 1 });
    await vi.waitFor(() => expect(scene.got).toHaveLength(1_501), WAIT);
    expect(scene.got).toEqual(Array.from({ length: 1_501 }, (_, index) => index + 1));
  });

  it('reads in pages', async () => {
    scene = new Scene(10_000);
    await scene.cursor.open();
    await Promise.all(Array.from({ length: 1_200 }, () => scene.publish({ missed: true })));
    await scene.cursor.check();
    expect(scene.got).toHaveLength(1_200);
    expect(scene.store.reads).toBe(3);
  });

  it('delivers nothing once it is closed', async () => {
    await scene.publish({ missed: true });
    await scene.publish();
    scene.cursor.close();
    for (let turn = 0; turn < 10; turn += 1) await nextTurn();
    expect(scene.got).toEqual([]);
  });
});

describe('whatever happens to a channel', () => {
  const step = fc.oneof(
    { arbitrary: fc.constant('publish' as const), weight: 6 },
    { arbitrary: fc.constant('miss' as const), weight: 3 },
    { arbitrary: fc.constant('wait' as const), weight: 3 },
    { arbitrary: fc.constant('flush' as const), weight: 1 },
    { arbitrary: fc.constant('away' as const), weight: 1 },
  );

  it('its members get every publication once and in order, or are told of the loss', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.integer({ min: 0, max: 4 }),
        async (steps, turns) => {
          const scene = new Scene(5);
          scene.store.turns = () => ({ there: turns, back: turns });
          await scene.cursor.open();
          for (const what of steps) {
            if (what === 'publish') await scene.publish();
            if (what === 'miss') await scene.publish({ missed: true });
            if (what === 'wait') for (let turn = 0; turn < 2 * turns; turn += 1) await nextTurn();
            if (what === 'flush') scene.store.flush();
            scene.store.away = what === 'away';
          }
          scene.store.away = false;
          // A reading that began while it was away may still have to fail.
          await scene.cursor.check().catch(() => scene.cursor.check());
          await scene.settled();
          expectUnbroken(scene.got);
          expect(scene.got.at(-1) ?? 0).toSatisfy((last: number | string) =>
            String(last).endsWith(String(scene.cursor.position?.offset)),
          );
        },
      ),
      { numRuns: 300 },
    );
  });
});

function expectUnbroken(got: readonly (number | string)[]): void {
  let at = 0;
  for (const each of got) {
    if (typeof each === 'number') expect(each).toBe(at + 1);
    at = typeof each === 'number' ? each : Number(each.split(' ')[1]);
  }
}

import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BackplaneUnavailable, type Backplane, type BackplaneListener } from '../../publishing/backplane.js';

/** What a driver brings to the suite: nodes that share one server, each a backplane that was not started yet. */
export interface BackplaneFixture {
  node(): Promise<Backplane> | Backplane;
  /** How many SUBSCRIBE-like commands the server has executed, where the driver has a server that can tell. */
  subscribeCommands?(): Promise<number>;
  close(): Promise<void>;
}

interface Heard {
  readonly channel: string;
  readonly frame: Buffer;
}

interface Node {
  readonly backplane: Backplane;
  readonly heard: Heard[];
  /** Announces text in a channel, with a fresh key unless one is given. */
  say(channel: string, text: string, key?: string): Promise<boolean>;
  texts(channel: string): string[];
}

const WAIT = { timeout: 20_000, interval: 5 };
/** A driver that keeps channels for a while that were left should keep them for so long in this suite, so that it is met in the middle. */
export const CONTRACT_LINGER_MS = 5;

/** The contract of the `Backplane` port, for any driver: `describeBackplane('redis', async () => fixture)`. */
export function describeBackplane(name: string, open: () => Promise<BackplaneFixture>): void {
  describe(`the ${name} backplane`, () => {
    let fixture: BackplaneFixture;
    let started: Backplane[];

    beforeEach(async () => {
      fixture = await open();
      started = [];
    });

    afterEach(async () => {
      await Promise.all(started.map((backplane) => backplane.close()));
      await fixture.close();
    });

    const node = async (): Promise<Node> => {
      const backplane = await fixture.node();
      started.push(backplane);
      return startNode(backplane);
    };

    it('says what it is', async () => {
      const { backplane } = await node();
      expect(backplane.name).toMatch(/^[a-z]+$/);
      expect(typeof backplane.shared).toBe('boolean');
    });

    it('brings an announcement to every node that subscribed, the announcing one included, once', async () => {
      const [one, two] = [await node(), await node()];
      await Promise.all([one.backplane.subscribe('room:1'), two.backplane.subscribe('room:1')]);
      await one.say('room:1', 'hello');
      await vi.waitFor(
        () => expect([one.texts('room:1'), two.texts('room:1')]).toEqual([['hello'], ['hello']]),
        WAIT,
      );
    });

    it('never delivers inside announce()', async () => {
      const one = await node();
      await one.backplane.subscribe('room:1');
      const announced = one.say('room:1', 'later');
      expect(one.heard).toEqual([]);
      await announced;
      await vi.waitFor(() => expect(one.texts('room:1')).toEqual(['later']), WAIT);
    });

    it('brings nothing to a node that did not subscribe, or no longer does', async () => {
      const [one, two, never] = [await node(), await node(), await node()];
      await Promise.all([one.backplane.subscribe('room:1'), two.backplane.subscribe('room:1')]);
      two.backplane.unsubscribe('room:1');
      await two.backplane.subscribe('room:2');
      await one.say('room:1', 'a');
      await one.say('room:2', 'b');
      await vi.waitFor(() => expect(two.texts('room:2')).toEqual(['b']), WAIT);
      expect([two.texts('room:1'), never.heard]).toEqual([[], []]);
    });

    it('hears everything announced after subscribe() resolved, whoever announces it', async () => {
      const [one, two] = [await node(), await node()];
      for (let round = 0; round < 50; round += 1) {
        await two.backplane.subscribe(`room:${round}`);
        await one.say(`room:${round}`, 'first');
      }
      await vi.waitFor(() => expect(two.heard).toHaveLength(50), WAIT);
    });

    it('keeps the order of a channel over 10,000 announcements', async () => {
      const [one, two] = [await node(), await node()];
      await Promise.all([one.backplane.subscribe('room:1'), two.backplane.subscribe('room:1')]);
      const texts = Array.from({ length: 10_000 }, (_, index) => String(index));
      for (let start = 0; start < texts.length; start += 500) {
        await Promise.all(texts.slice(start, start + 500).map((text) => one.say('room:1', text)));
      }
      await vi.waitFor(() => expect([one.heard.length, two.heard.length]).toEqual([10_000, 10_000]), WAIT);
      expect(two.texts('room:1')).toEqual(texts);
      expect(one.texts('room:1')).toEqual(texts);
    });

    it('announces a key once in a channel, from whichever node it comes again', async () => {
      const [one, two] = [await node(), await node()];
      await two.backplane.subscribe('room:1');
      await two.backplane.subscribe('room:2');
      expect(await one.say('room:1', 'first', 'key')).toBe(true);
      expect(await one.say('room:1', 'again', 'key')).toBe(false);
      expect(await two.say('room:1', 'again', 'key')).toBe(false);
      expect(await two.say('room:2', 'elsewhere', 'key')).toBe(true);
      await vi.waitFor(() => expect(two.texts('room:2')).toEqual(['elsewhere']), WAIT);
      expect(two.texts('room:1')).toEqual(['first']);
    });

    it('lets exactly one of many concurrent announcements with one key through', async () => {
      const nodes = [await node(), await node()];
      await nodes[0]?.backplane.subscribe('room:1');
      const announced = await Promise.all(
        nodes.flatMap((each) => Array.from({ length: 50 }, () => each.say('room:1', 'x', 'key'))),
      );
      expect(announced.filter(Boolean)).toHaveLength(1);
      await vi.waitFor(() => expect(nodes[0]?.texts('room:1')).toEqual(['x']), WAIT);
    });

    it.each([1, 2, 1_024, 65_536, 1_048_576])('carries %i bytes of anything unchanged', async (bytes) => {
      const [one, two] = [await node(), await node()];
      await two.backplane.subscribe('room:1');
      const frame = randomBytes(bytes);
      await one.backplane.announce({ channel: 'room:1', frame, idempotencyKey: randomUUID() });
      await vi.waitFor(() => expect(two.heard).toHaveLength(1), WAIT);
      expect(two.heard[0]?.frame.equals(frame)).toBe(true);
    });

    it('carries an empty frame', async () => {
      const one = await node();
      await one.backplane.subscribe('room:1');
      await one.say('room:1', '');
      await vi.waitFor(() => expect(one.texts('room:1')).toEqual(['']), WAIT);
    });

    it('carries internal channels like any other', async () => {
      const one = await node();
      await one.backplane.subscribe('$control');
      await one.say('$control', 'x');
      await vi.waitFor(() => expect(one.texts('$control')).toEqual(['x']), WAIT);
    });

    it('subscribes 1,000 channels of one turn in a few commands', async () => {
      const [one, two] = [await node(), await node()];
      const before = (await fixture.subscribeCommands?.()) ?? 0;
      const channels = Array.from({ length: 1_000 }, (_, index) => `room:${index}`);
      await Promise.all(channels.map((channel) => two.backplane.subscribe(channel)));
      expect(((await fixture.subscribeCommands?.()) ?? 0) - before).toBeLessThanOrEqual(4);
      await Promise.all(channels.map((channel) => one.say(channel, 'x')));
      await vi.waitFor(() => expect(two.heard).toHaveLength(1_000), WAIT);
      expect(new Set(two.heard.map(({ channel }) => channel))).toEqual(new Set(channels));
    });

    it('delivers once after a repeated subscribe()', async () => {
      const one = await node();
      await Promise.all([one.backplane.subscribe('room:1'), one.backplane.subscribe('room:1')]);
      await one.backplane.subscribe('room:1');
      await one.say('room:1', 'x');
      await one.say('room:1', 'y');
      await vi.waitFor(() => expect(one.texts('room:1')).toEqual(['x', 'y']), WAIT);
    });

    it('ends subscribed when a subscribe() comes while an unsubscribe() is under way, and the other way round', async () => {
      const one = await node();
      for (let round = 0; round < 20; round += 1) {
        await one.backplane.subscribe('room:1');
        one.backplane.unsubscribe('room:1');
        if (round % 2 === 1) await new Promise(setImmediate);
        // About as long as a driver may take to begin with it.
        if (round % 4 > 1) await sleep(CONTRACT_LINGER_MS + (round % 3) - 1);
        await one.backplane.subscribe('room:1');
        await one.say('room:1', String(round));
        await vi.waitFor(() => expect(one.texts('room:1')).toHaveLength(round + 1), WAIT);
      }
      one.backplane.subscribe('room:2').catch(() => undefined);
      one.backplane.unsubscribe('room:2');
      await one.say('room:2', 'unheard');
      await one.say('room:1', 'end');
      await vi.waitFor(() => expect(one.texts('room:1')).toHaveLength(21), WAIT);
      expect(one.texts('room:2')).toEqual([]);
    });

    it('takes an unsubscribe() of what was never subscribed', async () => {
      const one = await node();
      one.backplane.unsubscribe('room:1');
      await one.backplane.subscribe('room:1');
    });

    it('hears its own probe', async () => {
      const one = await node();
      const health = await one.backplane.probe(5_000);
      expect(health).toEqual({ up: true, roundTripMs: expect.any(Number) as number });
      expect(one.heard).toEqual([]);
    });

    it('refuses as unavailable once it is closed, and hears nothing more', async () => {
      const [one, two] = [await node(), await node()];
      await one.backplane.subscribe('room:1');
      await one.backplane.close();
      await expect(one.say('room:1', 'x')).rejects.toBeInstanceOf(BackplaneUnavailable);
      await expect(one.backplane.subscribe('room:2')).rejects.toBeInstanceOf(BackplaneUnavailable);
      expect((await one.backplane.probe(1_000)).up).toBe(false);
      await two.backplane.subscribe('room:1');
      await two.say('room:1', 'x');
      await vi.waitFor(() => expect(two.heard).toHaveLength(1), WAIT);
      expect(one.heard).toEqual([]);
    });

    it('closes twice', async () => {
      const one = await node();
      await one.backplane.close();
      await one.backplane.close();
    });
  });
}

async function startNode(backplane: Backplane): Promise<Node> {
  const heard: Heard[] = [];
  const listener: BackplaneListener = {
    deliver: (channel, frame) => void heard.push({ channel, frame: Buffer.from(frame) }),
    gap: () => undefined,
  };
  await backplane.start(listener);
  return {
    backplane,
    heard,
    say: async (channel, text, key = randomUUID()) => {
      const { duplicate } = await backplane.announce({
        channel,
        frame: Buffer.from(text),
        idempotencyKey: key,
      });
      return !duplicate;
    },
    texts: (channel) => heard.filter((each) => each.channel === channel).map(({ frame }) => frame.toString()),
  };
}

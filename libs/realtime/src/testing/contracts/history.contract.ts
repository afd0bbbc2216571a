import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Position } from '@aerie/protocol';
import type { History, HistoryPage, HistoryRange } from '../../history/history.js';
import type { Announced, Backplane } from '../../publishing/backplane.js';

/** A node of the suite: a history, and the backplane on which it announces. */
export interface HistoryNode {
  readonly history: History;
  readonly backplane: Backplane;
}

/** What a driver brings to the suite: nodes that share one store, neither part started yet. */
export interface HistoryFixture {
  node(): Promise<HistoryNode> | HistoryNode;
  close(): Promise<void>;
}

const WAIT = { timeout: 20_000, interval: 5 };
const LIMITS = { size: 1_000, ttlMs: 60_000 };
const ALL = { after: 0, limit: 10_000, maxBytes: 10_000_000 };

/** The contract of the `History` port, for any driver. */
export function describeHistory(name: string, open: () => Promise<HistoryFixture>): void {
  describe(`the ${name} history`, () => {
    let fixture: HistoryFixture;
    let nodes: Node[];
    let channel: string;

    beforeEach(async () => {
      fixture = await open();
      nodes = [];
      channel = `room:${randomUUID()}`;
    });

    afterEach(async () => {
      await Promise.all(nodes.map((node) => node.close()));
      await fixture.close();
    });

    const start = async (): Promise<Node> => {
      const node = new Node(await fixture.node(), channel);
      await node.start();
      nodes.push(node);
      return node;
    };

    it('stands at 0 of an epoch that stays, before anything is appended', async () => {
      const node = await start();
      const position = await node.position();
      expect(position.offset).toBe(0);
      expect(position.epoch).toMatch(/^[\w-]{8,64}$/);
      expect(await node.position()).toEqual(position);
      expect(await node.read()).toEqual({ ...position, entries: [] });
    });

    it('counts from 1 in each channel, and tells where a publication stands', async () => {
      const node = await start();
      const { epoch } = await node.position();
      expect(await node.append('a')).toEqual({ duplicate: false, epoch, offset: 1 });
      expect(await node.append('b')).toEqual({ duplicate: false, epoch, offset: 2 });
      expect(await node.position()).toEqual({ epoch, offset: 2 });
      const other = await node.append('c', { channel: `${channel}-other` });
      expect(other.offset).toBe(1);
      expect(other.epoch).not.toBe(epoch);
    });

    it('announces what it appends to every node, with its position', async () => {
      const [one, two] = [await start(), await start()];
      const { epoch } = await one.append('a');
      await one.append('b');
      const heard = [
        { text: 'a', position: { epoch, offset: 1 } },
        { text: 'b', position: { epoch, offset: 2 } },
      ];
      await vi.waitFor(() => expect([one.heard, two.heard]).toEqual([heard, heard]), WAIT);
    });

    it('answers a repeat with the first position, and neither appends nor announces it', async () => {
      const [one, two] = [await start(), await start()];
      const first = await one.append('a', { key: 'k' });
      await one.append('b');
      expect(await two.append('a again', { key: 'k' })).toEqual({ ...first, duplicate: true });
      await one.append('end');
      await vi.waitFor(() => expect(one.heard.map(({ text }) => text)).toEqual(['a', 'b', 'end']), WAIT);
      expect(textsOf(await two.read())).toEqual(['a', 'b', 'end']);
    });

    it('knows a key in its own channel only', async () => {
      const node = await start();
      await node.append('a', { key: 'k' });
      expect(await node.append('a', { key: 'k', channel: `${channel}-other` })).toMatchObject({
        duplicate: false,
        offset: 1,
      });
    });

    it('reads behind an offset, in order, up to a limit and through an offset', async () => {
      const node = await start();
      for (const text of ['a', 'b', 'c', 'd', 'e']) await node.append(text);
      const { epoch } = await node.position();
      expect(await node.read({ after: 2 })).toMatchObject({ epoch, offset: 5 });
      expect(offsetsOf(await node.read({ after: 2 }))).toEqual([3, 4, 5]);
      expect(textsOf(await node.read({ after: 2 }))).toEqual(['c', 'd', 'e']);
      expect(offsetsOf(await node.read({ after: 1, limit: 2 }))).toEqual([2, 3]);
      expect(offsetsOf(await node.read({ after: 1, through: 4 }))).toEqual([2, 3, 4]);
      expect(await node.read({ after: 5 })).toEqual({ epoch, offset: 5, entries: [] });
      expect(await node.read({ after: 17 })).toEqual({ epoch, offset: 5, entries: [] });
    });

    it('reads no more bytes than asked for, but one entry at least', async () => {
      const node = await start();
      for (const text of ['1234', '56', '78', '9']) await node.append(text);
      expect(textsOf(await node.read({ maxBytes: 6 }))).toEqual(['1234', '56']);
      expect(textsOf(await node.read({ maxBytes: 1 }))).toEqual(['1234']);
      expect(textsOf(await node.read({ after: 1, maxBytes: 4 }))).toEqual(['56', '78']);
    });

    it('reads long ranges as exactly as short ones', async () => {
      const node = await start();
      await Promise.all(Array.from({ length: 100 }, () => node.append('12345')));
      expect(offsetsOf(await node.read({ limit: 40 }))).toEqual(rangeOf(1, 40));
      expect(offsetsOf(await node.read({ after: 10, limit: 45 }))).toEqual(rangeOf(11, 55));
      expect(offsetsOf(await node.read({ after: 10, through: 70 }))).toEqual(rangeOf(11, 70));
      expect(offsetsOf(await node.read({ after: 10, maxBytes: 5 * 33 }))).toEqual(rangeOf(11, 43));
      expect(offsetsOf(await node.read({ after: 79 }))).toEqual(rangeOf(80, 100));
    });

    it('keeps the newest, as many as the size says', async () => {
      const node = await start();
      const limits = { size: 3, ttlMs: 60_000 };
      for (let index = 1; index <= 200; index += 1) await node.append(String(index), { limits });
      expect(offsetsOf(await node.read({ limits }))).toEqual([198, 199, 200]);
      expect(textsOf(await node.read({ after: 10, limit: 2, limits }))).toEqual(['198', '199']);
    });

    it('does not read what is older than its time, and goes on counting', async () => {
      const node = await start();
      for (let index = 1; index <= 90; index += 1) await node.append(String(index));
      const { epoch } = await node.position();
      const limits = { size: 1_000, ttlMs: 40 };
      await expect.poll(() => node.read({ limits }), WAIT).toEqual({ epoch, offset: 90, entries: [] });
      expect(await node.append('new', { limits: { size: 1_000, ttlMs: 5_000 } })).toMatchObject({
        epoch,
        offset: 91,
      });
      expect((await node.read({ limits })).offset).toBe(91);
    });

    it('reads from the oldest that has not expired', async () => {
      const node = await start();
      for (let index = 1; index <= 70; index += 1) await node.append(String(index));
      const oldAt = performance.now();
      await expect.poll(() => performance.now() - oldAt).toBeGreaterThan(700);
      for (let index = 71; index <= 75; index += 1) await node.append(String(index));
      const page = await node.read({ limits: { size: 1_000, ttlMs: 650 } });
      expect(offsetsOf(page)).toEqual([71, 72, 73, 74, 75]);
    });

    it('gives frames back byte by byte', async () => {
      const node = await start();
      const frame = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      await node.append(frame);
      const [entry] = (await node.read()).entries;
      expect(Buffer.compare(entry?.frame ?? Buffer.alloc(0), frame)).toBe(0);
    });

    it('counts without holes and announces in the order of offsets, whoever appends at a time', async () => {
      const [one, two] = [await start(), await start()];
      const appended = await Promise.all(
        Array.from({ length: 200 }, (_, index) => (index % 2 === 0 ? one : two).append(String(index))),
      );
      const offsets = Array.from({ length: 200 }, (_, index) => index + 1);
      expect(appended.map(({ offset }) => offset).toSorted((a = 0, b = 0) => a - b)).toEqual(offsets);
      await vi.waitFor(() => expect(two.heard).toHaveLength(200), WAIT);
      expect(two.heard.map(({ position }) => position?.offset)).toEqual(offsets);
      expect(two.heard.map(({ text }) => text)).toEqual(textsOf(await one.read()));
    });
  });
}

interface Appending {
  readonly key?: string;
  readonly channel?: string;
  readonly limits?: HistoryRange['limits'];
}

class Node {
  readonly heard: { text: string; position: Position | undefined }[] = [];

  constructor(
    private readonly parts: HistoryNode,
    private readonly channel: string,
  ) {}

  async start(): Promise<void> {
    const { history, backplane } = this.parts;
    await history.start();
    await backplane.start({
      deliver: (_channel, frame, position) => {
        this.heard.push({ text: Buffer.from(frame).toString(), position });
      },
      gap: () => undefined,
    });
    await backplane.subscribe(this.channel);
  }

  append(
    frame: string | Buffer,
    { key = randomUUID(), channel, limits = LIMITS }: Appending = {},
  ): Promise<Announced> {
    return this.parts.history.append({
      channel: channel ?? this.channel,
      frame: Buffer.from(frame),
      idempotencyKey: key,
      limits,
    });
  }

  read(range: Partial<HistoryRange> = {}): Promise<HistoryPage> {
    return this.parts.history.read({ channel: this.channel, limits: LIMITS, ...ALL, ...range });
  }

  position(): Promise<Position> {
    return this.parts.history.position({ channel: this.channel, limits: LIMITS });
  }

  async close(): Promise<void> {
    await this.parts.backplane.close();
    await this.parts.history.close();
  }
}

function offsetsOf({ entries }: HistoryPage): number[] {
  return entries.map(({ offset }) => offset);
}

function textsOf({ entries }: HistoryPage): string[] {
  return entries.map(({ frame }) => Buffer.from(frame).toString());
}

function rangeOf(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MemoryHub } from '../memory/memory-hub.js';
import { MemoryPresenceStore } from '../memory/memory-presence-store.js';
import { Tally } from '../metrics/meter.js';
import { BackplaneUnavailable } from '../publishing/backplane.js';
import { channelOfPresence } from '../publishing/internal-channels.js';
import { LocalFanout } from '../publishing/local-fanout.js';
import { NodePresence } from './node-presence.js';
import type { PresenceChange } from './presence-store.js';

const ROOM = 'room:7';

function setUp() {
  const hub = new MemoryHub();
  const store = new MemoryPresenceStore(hub);
  const told: string[] = [];
  const fanout = new LocalFanout({ target: () => undefined });
  vi.spyOn(fanout, 'deliver').mockImplementation((_channel, frame) => {
    const { event, data } = JSON.parse(Buffer.from(frame).toString()) as {
      event: string;
      data: { user?: string; members?: { user: string }[] };
    };
    told.push(`${event} ${data.user ?? data.members?.map(({ user }) => user).join(',')}`);
  });
  const gate = { passed: (): Promise<void> => Promise.resolve() };
  const metrics = { presenceResets: new Tally() };
  const presence = new NodePresence({ store, fanout, metrics, gate, times: { rewriteMs: 20_000 } });
  const state = { deaf: false };
  hub.add((channel, frame) => {
    const about = channelOfPresence(channel);
    if (about !== undefined && !state.deaf) presence.receive(about, frame);
  });
  const enter = (user: string) => store.write(lease(), [entering(user)]);
  return { store, presence, told, state, enter, gate };
}

function lease() {
  return { node: 'one', fence: 'f', leaseUntil: Date.now() + 60_000 };
}

function entering(user: string): PresenceChange {
  return { type: 'enter', channel: ROOM, connection: user, user };
}

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the presence that a node watches', () => {
  it('finds by a check what a reading that was under way already was too early for', async () => {
    const { presence, store, told, state, enter } = setUp();
    await Promise.all([enter('ann'), presence.follow(ROOM, Promise.resolve()), pass(1)]);
    const page = store.page.bind(store);
    const late = Promise.withResolvers<undefined>();
    vi.spyOn(store, 'page').mockImplementation(async (...asked) => {
      const answer = await page(...asked);
      await late.promise;
      return answer;
    });
    state.deaf = true;
    await Promise.all([enter('bob'), pass(1)]);
    state.deaf = false;
    await Promise.all([enter('cid'), pass(1)]);
    state.deaf = true;
    await Promise.all([enter('dan'), pass(1)]);
    presence.gap();
    await pass(2_000);
    late.resolve(undefined);
    await pass(1);
    expect(told.at(-1)).toBe('$presence ann,bob,cid,dan');
  });

  it('goes on with each change, and sends the whole set where a version is missing', async () => {
    const { presence, told, state, enter } = setUp();
    await Promise.all([enter('ann'), presence.follow(ROOM, Promise.resolve()), pass(1)]);
    await enter('bob');
    await pass(1);
    expect(told.at(-1)).toBe('$join bob');
    state.deaf = true;
    await enter('eve');
    await pass(1);
    state.deaf = false;
    await enter('joe');
    await pass(1);
    expect(told.at(-1)).toBe('$presence ann,bob,eve,joe');
    await enter('sue');
    await pass(1);
    expect(told.at(-1)).toBe('$join sue');
    presence.close();
  });

  it.each([
    ['within a second of a gap of the backplane', 2_000, true],
    ['after 40 s of silence by itself', 42_000, false],
  ])('is compared with the store %s', async (_when, ms, gap) => {
    const { presence, told, state, enter } = setUp();
    await Promise.all([enter('ann'), presence.follow(ROOM, Promise.resolve()), pass(1)]);
    state.deaf = true;
    await enter('bob');
    await pass(1);
    if (gap) presence.gap();
    await pass(ms);
    expect(told.at(-1)).toBe('$presence ann,bob');
    presence.close();
  });

  it('tells nothing that was read before the node stood still, until it is known whether it goes on', async () => {
    const { presence, told, state, enter, gate } = setUp();
    await Promise.all([enter('ann'), presence.follow(ROOM, Promise.resolve()), pass(1)]);
    state.deaf = true;
    await enter('bob');
    const { promise, resolve } = Promise.withResolvers<undefined>();
    vi.spyOn(gate, 'passed').mockReturnValue(promise);
    presence.gap();
    await pass(2_000);
    expect(told).not.toContain('$presence ann,bob');
    resolve(undefined);
    await pass(2_000);
    expect(told.at(-1)).toBe('$presence ann,bob');
    presence.close();
  });

  it('keeps whom the store forgot while they may be written anew, and sends the set without who was not', async () => {
    const { presence, told, store, enter } = setUp();
    await Promise.all([enter('ann'), enter('bob'), presence.follow(ROOM, Promise.resolve()), pass(1)]);
    const { version } = await store.page(ROOM, { limit: 1 });
    const page = vi.spyOn(store, 'page');
    page.mockResolvedValue({ version: 0, members: [], more: false });
    presence.gap();
    await pass(2_000);
    expect(told.at(-1)).toBe('$presence ann,bob');
    const members = [{ user: 'bob', connections: 1 }];
    page.mockResolvedValue({ version: version + 5_000_000, members, more: false });
    presence.gap();
    await pass(10_000);
    expect(told.at(-1)).toBe('$presence ann,bob');
    page.mockRejectedValue(new BackplaneUnavailable('away'));
    await pass(20_000);
    expect(told.at(-1)).toBe('$presence ann,bob');
    page.mockResolvedValue({ version: version + 5_000_000, members, more: false });
    await pass(3_000);
    expect(told.at(-1)).toBe('$presence bob');
    const count = told.length;
    await pass(60_000);
    expect(told).toHaveLength(count);
    presence.close();
  });

  it('reads the members anew where the store lost its latest, though it has the same version again', async () => {
    const { presence, told, store, enter } = setUp();
    await Promise.all([enter('ann'), enter('bob'), presence.follow(ROOM, Promise.resolve()), pass(1)]);
    const { version } = await store.page(ROOM, { limit: 1 });
    const page = vi.spyOn(store, 'page');
    const asked = page.mock.calls.length;
    page.mockRejectedValueOnce(new BackplaneUnavailable('away'));
    const members = ['ann', 'joe'].map((user) => ({ user, connections: 1 }));
    page.mockResolvedValue({ version, members, more: false });
    presence.doubt();
    await pass(5_000);
    expect(page.mock.calls.length).toBeGreaterThan(asked);
    expect(told.at(-1)).toBe('$presence ann,bob,joe');
    await pass(20_000);
    expect(told.at(-1)).toBe('$presence ann,joe');
    presence.close();
  });

  it('sends nothing after a gap in which nothing was missed, and keeps nothing when it is released', async () => {
    const { presence, told, enter } = setUp();
    await Promise.all([enter('ann'), presence.follow(ROOM, Promise.resolve()), pass(1)]);
    presence.gap();
    await pass(2_000);
    expect(told.filter((line) => line.startsWith('$presence'))).toEqual([]);
    presence.release(ROOM);
    expect([presence.size, vi.getTimerCount()]).toEqual([0, 0]);
  });
});

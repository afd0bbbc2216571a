import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { connect } from '../../../../test/support/connections.js';
import type { Connection } from '../connections/connection.js';
import { ConnectionRegistry } from '../connections/connection-registry.js';
import { MemoryHub } from '../memory/memory-hub.js';
import { MemoryPresenceStore } from '../memory/memory-presence-store.js';
import { BackplaneUnavailable } from '../publishing/backplane.js';
import { sessionTimes } from '../sessions/session-times.js';
import { PresenceRecorder } from './presence-recorder.js';

const ROOM = 'room:1';

function setUp() {
  const hub = new MemoryHub();
  const store = new MemoryPresenceStore(hub);
  const told: string[] = [];
  hub.add((_channel, frame) => {
    const { event, data } = JSON.parse(Buffer.from(frame).toString()) as {
      event: string;
      data: { user: string };
    };
    told.push(`${event} ${data.user}`);
  });
  const connections = new ConnectionRegistry();
  const state: { away: 'before' | 'after' | undefined } = { away: undefined };
  const write: MemoryPresenceStore['write'] = async (lease, changes) => {
    if (state.away === 'before') throw new BackplaneUnavailable('away');
    const written = await store.write(lease, changes);
    if (state.away === 'after') throw new BackplaneUnavailable('away');
    return written;
  };
  const recorder = new PresenceRecorder({
    connections,
    store: { write },
    times: sessionTimes({}, 30_000),
    keeps: (channel) => channel.startsWith('room:'),
    lease: () => ({ node: 'one', fence: 'f', leaseUntil: Infinity }),
    rewriteLeftMs: () => 0,
    onForgotten: () => undefined,
  });
  const enter = (user: string, channel = ROOM): Connection => {
    const { connection } = connect(user);
    connections.add(connection);
    connections.join(connection, channel);
    return connection;
  };
  const members = async (): Promise<readonly string[]> =>
    (await store.page(ROOM, { limit: 100 })).members.map(({ user }) => user);
  return { recorder, connections, state, told, enter, members };
}

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const LOST = { code: 1006, reason: '' };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the subscriptions of a node', () => {
  it('are written behind, those of channels with presence alone', async () => {
    const { enter, members, recorder } = setUp();
    enter('ann');
    enter('ben', 'plain:1');
    expect([recorder.pending, await members()]).toEqual([1, []]);
    await pass(30);
    expect([recorder.pending, await members()]).toEqual([0, ['ann']]);
  });

  it('are as they should be when the store is back, whatever came and went meanwhile', async () => {
    const { enter, members, connections, state, told, recorder } = setUp();
    const [ann, ben] = [enter('ann'), enter('ben')];
    await pass(30);
    state.away = 'before';
    connections.leave(ann, ROOM);
    connections.leave(enter('short'), ROOM);
    connections.remove(ben, LOST);
    enter('eve');
    await pass(60_000);
    expect(await members()).toEqual(['ann', 'ben']);
    state.away = undefined;
    await pass(3_000);
    // The grace of who was lost ran from that moment on.
    expect([await members(), recorder.pending]).toEqual([['eve'], 0]);
    expect(told.toSorted()).toEqual(['$join ann', '$join ben', '$join eve', '$leave ann', '$leave ben']);
  });

  it('are announced once though the answers get lost', async () => {
    const { enter, members, connections, state, told } = setUp();
    state.away = 'after';
    const ann = enter('ann');
    await pass(5_000);
    connections.leave(ann, ROOM);
    await pass(5_000);
    state.away = undefined;
    await pass(3_000);
    expect([await members(), told]).toEqual([[], ['$join ann', '$leave ann']]);
  });

  it('are no longer followed after the end', async () => {
    const { enter, recorder } = setUp();
    enter('ann');
    const closed = recorder.close(1_000);
    await pass(30);
    expect(await closed).toBe(true);
    enter('ben');
    expect([recorder.pending, vi.getTimerCount()]).toEqual([0, 0]);
  });
});

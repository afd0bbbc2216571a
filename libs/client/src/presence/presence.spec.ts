import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ScriptedServer, type Peer } from '../../test/scripted-server.js';
import { RealtimeClient } from '../client.js';
import { presence } from './index.js';

const ROOM = 'room:7';

let server: ScriptedServer;
let realtime: RealtimeClient<{ say: string; read: unknown }>;
let errors: unknown[];

beforeEach(async () => {
  server = await ScriptedServer.start();
  realtime = new RealtimeClient(server.url);
  errors = [];
  realtime.onError((error) => errors.push(error));
  vi.spyOn(Math, 'random').mockReturnValue(0);
});

afterEach(async () => {
  realtime.close();
  vi.useRealTimers();
  vi.restoreAllMocks();
  await server.stop();
});

function setOf(version: number, users: readonly string[], more?: boolean) {
  return { version, members: users.map((user) => ({ user })), ...(more && { more }) };
}

/** Everything that is told of the members, in order. */
function story(): string[] {
  const told: string[] = [];
  const room = presence(realtime.channel(ROOM));
  room.on('join', ({ user, at }) => told.push(`+${user}${at ?? ''}`));
  room.on('leave', ({ user, at }) => told.push(`-${user}${at ?? ''}`));
  room.on('change', (all) => told.push(all.map(({ user }) => user).join(' ')));
  return told;
}

function members(): readonly string[] {
  return presence(realtime.channel(ROOM)).members.map(({ user }) => user);
}

/** Answers the next `$subscribe`. */
async function answer(peer: Peer, set?: object): Promise<Record<string, unknown> | undefined> {
  return (await peer.reply('$subscribe', { data: { channel: ROOM, ...(set && { presence: set }) } })).data;
}

/** Lets it in, and brings the members that it asks for then. */
async function letIn(peer: Peer, set: object): Promise<void> {
  expect((await answer(peer))?.['presence']).toBeUndefined();
  expect(await answer(peer, set)).toEqual({ channel: ROOM, presence: true });
}

/** All that the client sent, by the time that it has read what the server did. */
async function sentTo(peer: Peer): Promise<(string | undefined)[]> {
  const read = new Promise((resolve) => realtime.on('read', resolve));
  peer.send({ event: 'read' });
  await read;
  realtime.send('after');
  await peer.receive('after');
  return peer.events.filter((event) => event !== 'after');
}

function change(event: '$join' | '$leave', user: string, version: number) {
  return { event, data: { channel: ROOM, user, version, at: version * 10 } };
}

describe('the presence of a channel', () => {
  it('is one object for a channel, which asks for nothing before somebody listens', async () => {
    const room = realtime.channel(ROOM);
    expect(presence(room)).toBe(presence(realtime.channel(ROOM)));
    expect(presence(room)).not.toBe(presence(realtime.channel('room:8')));
    expect(presence(room).members).toEqual([]);
    expect(room.state.status).toBe('idle');
    const subscribed = room.subscribe();
    const peer = await server.connection();
    await answer(peer);
    await subscribed;
    expect(await sentTo(peer)).toEqual(['$subscribe']);
  });

  it('begins with the set of the reply and goes on with each change', async () => {
    const told = story();
    const peer = await server.connection();
    await letIn(peer, setOf(4, ['ann', 'bob']));
    await vi.waitFor(() => expect(told).toEqual(['+ann', '+bob', 'ann bob']));
    peer.send(change('$join', 'ann', 5));
    peer.send(change('$join', 'eve', 6));
    peer.send(change('$leave', 'joe', 7));
    peer.send(change('$leave', 'bob', 8));
    await vi.waitFor(() => expect(told.slice(3)).toEqual(['+eve60', 'ann bob eve', '-bob80', 'ann eve']));
    expect(members()).toEqual(['ann', 'eve']);
    expect(peer.events).toEqual(['$subscribe', '$subscribe']);
  });

  it('comes behind the subscription, and takes what the set has already for told', async () => {
    const room = realtime.channel(ROOM);
    const told = story();
    const joined = room.subscribe();
    const peer = await server.connection();
    await answer(peer);
    await joined;
    expect(members()).toEqual([]);
    await answer(peer, setOf(4, ['ann']));
    await vi.waitFor(() => expect(presence(room).members).toEqual([{ user: 'ann' }]));
    peer.send(change('$leave', 'ann', 4));
    peer.send(change('$join', 'bob', 5));
    await vi.waitFor(() => expect(told).toContain('ann bob'));
    expect(told).not.toContain('-ann40');
  });

  it('is asked for later, too, without a place in the history to go on from', async () => {
    const room = realtime.channel(ROOM);
    const heard: string[] = [];
    room.on('say', (text) => heard.push(text));
    const peer = await server.connection();
    await peer.reply('$subscribe', { data: { channel: ROOM, epoch: 'e1', offset: 3 } });
    await vi.waitFor(() => expect(room.state.status).toBe('subscribed'));
    const told = story();
    const asked = await peer.reply('$subscribe', {
      data: { channel: ROOM, epoch: 'e1', offset: 4, presence: setOf(4, ['ann']) },
    });
    expect(asked.data).toEqual({ channel: ROOM, presence: true });
    await vi.waitFor(() => expect(told).toEqual(['+ann', 'ann']));
    peer.send({ event: 'say', channel: ROOM, data: 'five', offset: 5 });
    await vi.waitFor(() => expect(heard).toEqual(['five']));
    expect(peer.events).toEqual(['$subscribe', '$subscribe']);
  });

  it('is asked for behind a subscribe that is under way', async () => {
    realtime.connect();
    const peer = await server.connection();
    await vi.waitFor(() => expect(realtime.state.status).toBe('open'));
    realtime.channel(ROOM).on('say', () => undefined);
    const told = story();
    expect(await answer(peer)).toEqual({ channel: ROOM });
    expect(await answer(peer, setOf(4, ['ann']))).toEqual({ channel: ROOM, presence: true });
    await vi.waitFor(() => expect(told).toEqual(['+ann', 'ann']));
  });

  it('is asked for in a channel that the server gave, and not taken back with it', async () => {
    server.greet = (peer) => peer.welcome({ channels: { [ROOM]: {} } });
    const told = story();
    const peer = await server.connection();
    expect(await answer(peer, setOf(4, ['ann']))).toEqual({ channel: ROOM, presence: true });
    await vi.waitFor(() => expect(told).toEqual(['+ann', 'ann']));
    await realtime.channel(ROOM).unsubscribe();
    const again = story();
    await answer(peer, setOf(5, ['bob']));
    await vi.waitFor(() => expect(again).toEqual(['+bob', 'bob']));
    expect(await sentTo(peer)).toEqual(['$subscribe', '$subscribe']);
  });

  it('costs a channel that has none nothing else', async () => {
    const room = realtime.channel(ROOM);
    const heard: string[] = [];
    room.on('say', (text) => heard.push(text));
    const told = story();
    const first = await server.connection();
    const none = { error: { code: 'invalid', message: 'this channel has no presence' } };
    expect(await answer(first)).toEqual({ channel: ROOM });
    await first.reply('$subscribe', none);
    first.send({ event: 'say', channel: ROOM, data: 'hi' });
    await vi.waitFor(() => expect(heard).toEqual(['hi']));
    expect(errors).toMatchObject([{ code: 'invalid' }]);
    presence(room).on('change', () => undefined);
    await first.reply('$subscribe', none);
    await vi.waitFor(() => expect(errors).toHaveLength(2));
    expect(room.state.status).toBe('subscribed');
    first.cut();
    const second = await server.connection();
    expect(await answer(second)).toEqual({ channel: ROOM });
    expect(await sentTo(second)).toEqual(['$subscribe']);
    expect(told).toEqual([]);
  });

  it('is asked for again after a failure that may pass, and leaves the subscription as it is', async () => {
    const states: string[] = [];
    realtime.channel(ROOM).onState(({ status }) => states.push(status));
    const told = story();
    const peer = await server.connection();
    await answer(peer);
    for (const code of ['unavailable', 'timeout', 'overloaded'])
      await peer.reply('$subscribe', { error: { code, message: 'not now' } });
    expect(await answer(peer, setOf(4, ['ann']))).toEqual({ channel: ROOM, presence: true });
    await vi.waitFor(() => expect(told).toEqual(['+ann', 'ann']));
    expect(states).toEqual(['subscribing', 'subscribed']);
    expect(errors).toEqual([]);
  });

  it('is not asked for by a connection that comes when nobody listens any more, and is by the next listener', async () => {
    const unlisten = presence(realtime.channel(ROOM)).on('join', () => undefined);
    const first = await server.connection();
    await letIn(first, setOf(4, ['ann']));
    await vi.waitFor(() => expect(members()).toEqual(['ann']));
    unlisten();
    first.cut();
    const second = await server.connection();
    await answer(second);
    expect(await sentTo(second)).toEqual(['$subscribe']);
    const told = story();
    await answer(second, setOf(6, ['ann', 'bob']));
    await vi.waitFor(() => expect(told).toEqual(['+bob', 'ann bob']));
  });

  it('lets a refusal of the channel stand, and comes with the next subscription', async () => {
    const room = realtime.channel(ROOM);
    const told = story();
    const peer = await server.connection();
    await peer.reply('$subscribe', { error: { code: 'forbidden', message: 'no' } });
    await vi.waitFor(() => expect(room.state.status).toBe('refused'));
    presence(room).on('change', () => undefined);
    expect(await sentTo(peer)).toEqual(['$subscribe']);
    room.subscribe().catch(() => undefined);
    await letIn(peer, setOf(4, ['ann']));
    await vi.waitFor(() => expect(told).toEqual(['+ann', 'ann']));
    expect(errors).toEqual([]);
  });

  it('waits for connect() where the client is closed', async () => {
    realtime.close();
    const told = story();
    realtime.connect();
    await letIn(await server.connection(), setOf(4, ['ann']));
    await vi.waitFor(() => expect(told).toEqual(['+ann', 'ann']));
  });
});

describe('members that changed unseen', () => {
  it('stand over a lost connection; the next one tells who came and went', async () => {
    const told = story();
    const first = await server.connection();
    await letIn(first, setOf(4, ['ann', 'bob']));
    await vi.waitFor(() => expect(told).toHaveLength(3));
    first.cut();
    const second = await server.connection();
    expect(members()).toEqual(['ann', 'bob']);
    await letIn(second, setOf(9, ['ann', 'eve']));
    await vi.waitFor(() => expect(told.slice(3)).toEqual(['-bob', '+eve', 'ann eve']));
    second.cut();
    await letIn(await server.connection(), setOf(9, ['eve', 'ann']));
    await vi.waitFor(() => expect(members()).toEqual(['eve', 'ann']));
    expect(told).toHaveLength(6);
  });

  it('are taken from the set that the server sends', async () => {
    const told = story();
    const peer = await server.connection();
    await letIn(peer, setOf(4, ['ann', 'bob']));
    peer.send({ event: '$presence', data: { channel: ROOM, ...setOf(20, ['ann', 'eve']) } });
    peer.send(change('$join', 'joe', 21));
    await vi.waitFor(() =>
      expect(told.slice(3)).toEqual(['-bob', '+eve', 'ann eve', '+joe210', 'ann eve joe']),
    );
  });

  it('are asked for where a version is missing, once, and nothing counts until they are here', async () => {
    const told = story();
    const peer = await server.connection();
    await letIn(peer, setOf(4, ['ann', 'bob']));
    peer.send(change('$leave', 'ann', 6));
    peer.send(change('$join', 'joe', 7));
    peer.send(change('$join', 'sue', 9));
    expect(await answer(peer, setOf(9, ['bob', 'joe', 'sue']))).toEqual({ channel: ROOM, presence: true });
    peer.send(change('$leave', 'bob', 10));
    await vi.waitFor(() => expect(members()).toEqual(['joe', 'sue']));
    expect(told.slice(3)).toEqual(['-ann', '+joe', '+sue', 'bob joe sue', '-bob100', 'joe sue']);
    expect(peer.events).toEqual(['$subscribe', '$subscribe', '$subscribe']);
  });

  it('may have any version where nobody was there', async () => {
    story();
    const peer = await server.connection();
    await letIn(peer, setOf(0, ['ann']));
    peer.send(change('$join', 'ann', 1_000));
    peer.send(change('$join', 'bob', 1_001));
    await vi.waitFor(() => expect(members()).toEqual(['ann', 'bob']));
    expect(peer.events).toEqual(['$subscribe', '$subscribe']);
  });

  it('are nobody after the channel was left, and after it was taken back', async () => {
    const room = realtime.channel(ROOM);
    const told = story();
    const peer = await server.connection();
    await letIn(peer, setOf(4, ['ann']));
    await vi.waitFor(() => expect(members()).toEqual(['ann']));
    peer.send({ event: '$unsubscribed', data: { channel: ROOM, reason: 'removed' } });
    await vi.waitFor(() => expect(told.slice(2)).toEqual(['-ann', '']));
    const again = room.subscribe();
    await letIn(peer, setOf(5, ['ann']));
    await again;
    await vi.waitFor(() => expect(members()).toEqual(['ann']));
    const left = room.unsubscribe();
    expect(members()).toEqual([]);
    await peer.reply('$unsubscribe', { data: {} });
    await left;
    peer.send(change('$join', 'bob', 6));
    room.on('say', () => undefined);
    expect(await answer(peer)).toEqual({ channel: ROOM });
    expect(await sentTo(peer)).toHaveLength(6);
    expect(members()).toEqual([]);
    expect(told.slice(4)).toEqual(['+ann', 'ann']);
  });

  it('are nobody where the next connection tells of none any more', async () => {
    const told = story();
    const first = await server.connection();
    await letIn(first, setOf(4, ['ann']));
    await vi.waitFor(() => expect(members()).toEqual(['ann']));
    first.cut();
    const second = await server.connection();
    await answer(second);
    await second.reply('$subscribe', { error: { code: 'invalid', message: 'this channel has no presence' } });
    await vi.waitFor(() => expect(told.slice(2)).toEqual(['-ann', '']));
    expect(realtime.channel(ROOM).state.status).toBe('subscribed');
  });

  it('are nobody where the next connection refuses the channel', async () => {
    const told = story();
    const first = await server.connection();
    await letIn(first, setOf(4, ['ann']));
    await vi.waitFor(() => expect(members()).toEqual(['ann']));
    first.cut();
    const second = await server.connection();
    await second.reply('$subscribe', { error: { code: 'forbidden', message: 'no' } });
    await vi.waitFor(() => expect(told.slice(2)).toEqual(['-ann', '']));
    expect(await sentTo(second)).toEqual(['$subscribe']);
  });
});

describe('what is asked for the members', () => {
  it('is of no account for a later stay in the channel', async () => {
    const room = realtime.channel(ROOM);
    const before = story();
    const peer = await server.connection();
    await answer(peer);
    const { id } = await peer.receive('$subscribe');
    void room.unsubscribe();
    const told = story();
    peer.send({ id, data: { channel: ROOM, presence: setOf(4, ['old']) } });
    peer.send(change('$join', 'older', 5));
    peer.send({ event: '$presence', data: { channel: ROOM, ...setOf(6, ['oldest']) } });
    await peer.reply('$unsubscribe', { data: {} });
    await letIn(peer, setOf(9, ['ann']));
    await vi.waitFor(() => expect(told).toEqual(['+ann', 'ann']));
    expect(before).toEqual([]);
    expect(peer.events).toEqual(['$subscribe', '$subscribe', '$unsubscribe', '$subscribe', '$subscribe']);
  });

  it('does not leave where it waits for its turn and the channel is left meanwhile', async () => {
    server.greet = (peer) => peer.welcome({ messages: { perSecond: 1, burst: 1 } });
    const room = realtime.channel(ROOM);
    story();
    const joined = room.subscribe();
    const peer = await server.connection();
    await answer(peer);
    await joined;
    const left = room.unsubscribe();
    await peer.reply('$unsubscribe', { data: {} });
    await left;
    expect(await sentTo(peer)).toEqual(['$subscribe', '$unsubscribe']);
  });

  it('is not asked again once the channel is left', async () => {
    const room = realtime.channel(ROOM);
    story();
    const peer = await server.connection();
    await letIn(peer, setOf(4, ['ann']));
    await vi.waitFor(() => expect(members()).toEqual(['ann']));
    vi.mocked(Math.random).mockReturnValue(0.5);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    peer.send(change('$join', 'bob', 6));
    peer.send({ event: 'say', channel: ROOM, data: 'behind it' });
    await new Promise((resolve) => room.on('say', resolve));
    const left = room.unsubscribe();
    await peer.reply('$unsubscribe', { data: {} });
    await left;
    vi.advanceTimersByTime(1_000);
    expect(await sentTo(peer)).toEqual(['$subscribe', '$subscribe', '$unsubscribe']);
  });

  it('is taken back where the server took the channel away ahead of it', async () => {
    const room = realtime.channel(ROOM);
    const told = story();
    const peer = await server.connection();
    await answer(peer);
    const { id } = await peer.receive('$subscribe');
    peer.send({ event: '$unsubscribed', data: { channel: ROOM, reason: 'removed' } });
    peer.send({ id, data: { channel: ROOM, presence: setOf(4, ['ann']) } });
    expect((await peer.reply('$unsubscribe', { data: {} })).data).toEqual({ channel: ROOM });
    expect(room.state).toEqual({ status: 'unsubscribed', reason: 'removed' });
    expect(await sentTo(peer)).toEqual(['$subscribe', '$subscribe', '$unsubscribe']);
    expect(told).toEqual([]);
  });

  it('is taken back, if only when it is its turn, whatever the channel does meanwhile', async () => {
    server.greet = (peer) => peer.welcome({ messages: { perSecond: 10, burst: 4 } });
    const room = realtime.channel(ROOM);
    const left = new Promise<void>((resolve, reject) => {
      room.onState(({ status }) => {
        if (status === 'unsubscribed') room.unsubscribe().then(resolve, reject);
      });
    });
    story();
    const peer = await server.connection();
    await answer(peer);
    await peer.receive('$subscribe');
    peer.send({ event: '$unsubscribed', data: { channel: ROOM, reason: 'removed' } });
    await left;
    await peer.reply('$unsubscribe', { data: {} });
    expect(await sentTo(peer)).toEqual(['$subscribe', '$subscribe', '$unsubscribe']);
  });

  it('is taken back ahead of a subscription that a listener wants at once', async () => {
    const room = realtime.channel(ROOM);
    room.onState(({ status }) => {
      if (status === 'unsubscribed') room.subscribe().catch(() => undefined);
    });
    const told = story();
    const peer = await server.connection();
    await answer(peer);
    await peer.receive('$subscribe');
    peer.send({ event: '$unsubscribed', data: { channel: ROOM, reason: 'removed' } });
    await letIn(peer, setOf(6, ['ann']));
    await vi.waitFor(() => expect(told).toEqual(['+ann', 'ann']));
    expect(peer.events).toEqual(['$subscribe', '$subscribe', '$unsubscribe', '$subscribe', '$subscribe']);
  });

  it('ends with its connection, in the midst of its pages as well', async () => {
    vi.mocked(Math.random).mockReturnValue(0.01);
    const told = story();
    const first = await server.connection();
    await letIn(first, setOf(4, ['ann'], true));
    await first.reply('$presence', { error: { code: 'unavailable', message: 'not now' } });
    first.cut();
    const second = await server.connection();
    const { id } = await second.receive('$subscribe');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await sentTo(second)).toEqual(['$subscribe']);
    second.send({ id, data: { channel: ROOM } });
    await answer(second, setOf(5, ['bob']));
    await vi.waitFor(() => expect(told).toEqual(['+bob', 'bob']));
  });

  it('ends with its connection, whatever waits to be tried again', async () => {
    vi.mocked(Math.random).mockReturnValue(0.01);
    const told = story();
    const first = await server.connection();
    await answer(first);
    await first.reply('$subscribe', { error: { code: 'unavailable', message: 'not now' } });
    first.cut();
    const second = await server.connection();
    const { id } = await second.receive('$subscribe');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await sentTo(second)).toEqual(['$subscribe']);
    second.send({ id, data: { channel: ROOM } });
    await answer(second, setOf(4, ['ann']));
    await vi.waitFor(() => expect(told).toEqual(['+ann', 'ann']));
    expect(errors).toEqual([]);
  });
});

describe('a listener', () => {
  it('that leaves the channel is the last to hear of its members', async () => {
    const room = realtime.channel(ROOM);
    const told: string[] = [];
    presence(room).on('join', ({ user }) => {
      told.push(user);
      return room.unsubscribe();
    });
    presence(room).on('change', () => told.push('change'));
    const peer = await server.connection();
    await letIn(peer, setOf(4, ['ann', 'bob']));
    await peer.reply('$unsubscribe', { data: {} });
    await vi.waitFor(() => expect(told).toEqual(['ann']));
    expect(members()).toEqual([]);
  });

  it('that comes as the channel is left is one of the next stay', async () => {
    const room = realtime.channel(ROOM);
    let told: string[] = [];
    room.onState(({ status }) => {
      if (status === 'idle') told = story();
    });
    const before = story();
    const peer = await server.connection();
    await letIn(peer, setOf(4, ['ann']));
    await vi.waitFor(() => expect(before).toEqual(['+ann', 'ann']));
    void room.unsubscribe();
    await peer.reply('$unsubscribe', { data: {} });
    await letIn(peer, setOf(5, ['bob']));
    await vi.waitFor(() => expect(told).toEqual(['+bob', 'bob']));
    expect(before).toHaveLength(2);
  });
});

describe('a set in pages', () => {
  it('is told when it is whole, with what changed meanwhile on top', async () => {
    const told = story();
    const peer = await server.connection();
    await letIn(peer, setOf(4, ['ann', 'bob'], true));
    const second = await peer.receive('$presence');
    expect(second.data).toEqual({ channel: ROOM, after: 'bob' });
    peer.send(change('$leave', 'ann', 5));
    peer.send(change('$join', 'joe', 6));
    peer.send(change('$leave', 'joe', 7));
    peer.send({ id: second.id, data: { channel: ROOM, ...setOf(6, ['eve', 'joe'], true) } });
    const third = await peer.reply('$presence', { data: { channel: ROOM, ...setOf(7, ['sue']) } });
    expect(third.data).toEqual({ channel: ROOM, after: 'joe' });
    await vi.waitFor(() => expect(told.at(-1)).toBe('bob eve sue'));
    expect(told).toEqual(['+bob', '+eve', '+sue', 'bob eve sue']);
    peer.send(change('$join', 'zoe', 8));
    await vi.waitFor(() => expect(members()).toContain('zoe'));
  });

  it('is asked for again where a page failed for now, and begun anew by the next set', async () => {
    const told = story();
    const peer = await server.connection();
    await letIn(peer, setOf(4, ['ann'], true));
    await peer.reply('$presence', { error: { code: 'unavailable', message: 'no' } });
    const again = await peer.receive('$presence');
    expect(again.data).toEqual({ channel: ROOM, after: 'ann' });
    peer.send({ event: '$presence', data: { channel: ROOM, ...setOf(30, ['joe'], true) } });
    peer.send({ id: again.id, data: { channel: ROOM, ...setOf(5, ['bob']) } });
    const anew = await peer.reply('$presence', { data: { channel: ROOM, ...setOf(30, ['sue']) } });
    expect(anew.data).toEqual({ channel: ROOM, after: 'joe' });
    await vi.waitFor(() => expect(told).toEqual(['+joe', '+sue', 'joe sue']));
  });

  it('leaves who was there as they are where a page is refused', async () => {
    const told = story();
    const first = await server.connection();
    await letIn(first, setOf(4, ['ann', 'bob']));
    await vi.waitFor(() => expect(members()).toEqual(['ann', 'bob']));
    first.cut();
    const second = await server.connection();
    await letIn(second, setOf(9, ['ann'], true));
    await second.reply('$presence', { error: { code: 'forbidden', message: 'no' } });
    await vi.waitFor(() => expect(errors).toMatchObject([{ code: 'forbidden' }]));
    second.send(change('$join', 'eve', 10));
    realtime.send('after');
    await second.receive('after');
    expect(members()).toEqual(['ann', 'bob']);
    expect(told).toHaveLength(3);
  });

  it('is read no further where the channel is left or taken away', async () => {
    const room = realtime.channel(ROOM);
    const told = story();
    const peer = await server.connection();
    await letIn(peer, setOf(4, ['ann'], true));
    const page = await peer.receive('$presence');
    peer.send({ event: '$unsubscribed', data: { channel: ROOM, reason: 'removed' } });
    peer.send({ id: page.id, data: { channel: ROOM, ...setOf(5, ['bob'], true) } });
    await vi.waitFor(() => expect(room.state.status).toBe('unsubscribed'));
    room.subscribe().catch(() => undefined);
    await letIn(peer, setOf(6, ['eve'], true));
    const next = await peer.receive('$presence');
    expect(next.data).toEqual({ channel: ROOM, after: 'eve' });
    const left = room.unsubscribe();
    peer.send({ id: next.id, data: { channel: ROOM, ...setOf(7, ['joe']) } });
    await peer.reply('$unsubscribe', { data: {} });
    await left;
    expect(await sentTo(peer)).toEqual([
      '$subscribe',
      '$subscribe',
      '$presence',
      '$subscribe',
      '$subscribe',
      '$presence',
      '$unsubscribe',
    ]);
    expect(told).toEqual([]);
    expect(members()).toEqual([]);
  });

  it('is begun anew where a version is missing', async () => {
    const told = story();
    const peer = await server.connection();
    await letIn(peer, setOf(4, ['ann'], true));
    const page = await peer.receive('$presence');
    peer.send(change('$join', 'joe', 6));
    expect(await answer(peer, setOf(6, ['ann', 'joe']))).toEqual({ channel: ROOM, presence: true });
    peer.send({ id: page.id, data: { channel: ROOM, ...setOf(5, ['old']) } });
    peer.send(change('$leave', 'joe', 7));
    await vi.waitFor(() => expect(told).toEqual(['+ann', '+joe', 'ann joe', '-joe70', 'ann']));
  });

  it('is given up with its connection', async () => {
    const told = story();
    const first = await server.connection();
    await letIn(first, setOf(4, ['ann'], true));
    await first.receive('$presence');
    first.cut();
    const second = await server.connection();
    await letIn(second, setOf(9, ['bob']));
    await vi.waitFor(() => expect(told).toEqual(['+bob', 'bob']));
    expect(second.events).toEqual(['$subscribe', '$subscribe']);
  });
});

describe('what a server sends of nobody, or of no channel', () => {
  it('changes nothing', async () => {
    const told = story();
    const peer = await server.connection();
    await letIn(peer, setOf(4, ['ann']));
    for (const data of [
      { channel: ROOM },
      { channel: ROOM, version: 5 },
      { user: 'bob', version: 5 },
      7,
      null,
    ])
      for (const event of ['$join', '$leave', '$presence']) peer.send({ event, data });
    peer.send({
      event: '$presence',
      data: { channel: ROOM, version: 9, members: [{ user: 'bob' }] },
    });
    await vi.waitFor(() => expect(told.slice(2)).toEqual(['-ann', '+bob', 'bob']));
  });
});

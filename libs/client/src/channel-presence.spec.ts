import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ScriptedServer, type Peer } from '../test/scripted-server.js';
import { RealtimeClient } from './client.js';
import { presence as keepPresence } from './presence.js';

const ROOM = 'room:7';

let server: ScriptedServer;
let realtime: RealtimeClient<{ say: string }>;
let errors: unknown[];

beforeEach(async () => {
  server = await ScriptedServer.start();
  realtime = new RealtimeClient(server.url, { presence: keepPresence() });
  errors = [];
  realtime.onError((error) => errors.push(error));
  vi.spyOn(Math, 'random').mockReturnValue(0);
});

afterEach(async () => {
  realtime.close();
  vi.restoreAllMocks();
  await server.stop();
});

function setOf(version: number, users: readonly string[], more?: boolean) {
  return { version, members: users.map((user) => ({ user })), ...(more && { more }) };
}

/** Everything that is told of the members, in order. */
function story(): string[] {
  const told: string[] = [];
  const { presence } = realtime.channel(ROOM);
  presence.on('join', ({ user, at }) => told.push(`+${user}${at ?? ''}`));
  presence.on('leave', ({ user, at }) => told.push(`-${user}${at ?? ''}`));
  presence.on('change', (all) => told.push(all.map(({ user }) => user).join(' ')));
  return told;
}

function members(): readonly string[] {
  return realtime.channel(ROOM).presence.members.map(({ user }) => user);
}

/** Answers the next `$subscribe`. */
async function answer(peer: Peer, presence?: object): Promise<Record<string, unknown> | undefined> {
  return (await peer.reply('$subscribe', { data: { channel: ROOM, ...(presence && { presence }) } })).data;
}

function change(event: '$join' | '$leave', user: string, version: number) {
  return { event, data: { channel: ROOM, user, version, at: version * 10 } };
}

describe('the presence of a channel', () => {
  it('begins with the set of the reply and goes on with each change', async () => {
    const told = story();
    const peer = await server.connection();
    expect(await answer(peer, setOf(4, ['ann', 'bob']))).toEqual({ channel: ROOM, presence: true });
    await vi.waitFor(() => expect(told).toEqual(['+ann', '+bob', 'ann bob']));
    peer.send(change('$join', 'ann', 5));
    peer.send(change('$join', 'eve', 6));
    peer.send(change('$leave', 'joe', 7));
    peer.send(change('$leave', 'bob', 8));
    await vi.waitFor(() => expect(told.slice(3)).toEqual(['+eve60', 'ann bob eve', '-bob80', 'ann eve']));
    expect(members()).toEqual(['ann', 'eve']);
    expect(peer.events).toEqual(['$subscribe']);
  });

  it('is there when the subscription is, and takes what the set has already for told', async () => {
    const room = realtime.channel(ROOM);
    expect(room.presence.members).toEqual([]);
    const told = story();
    const joined = room.subscribe();
    const peer = await server.connection();
    await answer(peer, setOf(4, ['ann']));
    await joined;
    expect(room.presence.members).toEqual([{ user: 'ann' }]);
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

  it('costs a channel that has none nothing else', async () => {
    const room = realtime.channel(ROOM);
    const heard: string[] = [];
    room.on('say', (text) => heard.push(text));
    const told = story();
    const first = await server.connection();
    const none = { error: { code: 'invalid', message: 'this channel has no presence' } };
    await first.reply('$subscribe', none);
    expect(await answer(first)).toEqual({ channel: ROOM });
    first.send({ event: 'say', channel: ROOM, data: 'hi' });
    await vi.waitFor(() => expect(heard).toEqual(['hi']));
    expect(errors).toMatchObject([{ code: 'invalid' }]);
    room.presence.on('change', () => undefined);
    await first.reply('$subscribe', none);
    await vi.waitFor(() => expect(errors).toHaveLength(2));
    expect(room.state.status).toBe('subscribed');
    first.cut();
    expect(await answer(await server.connection())).toEqual({ channel: ROOM });
    expect(told).toEqual([]);
  });
});

describe('members that changed unseen', () => {
  it('stand over a lost connection; the next one tells who came and went', async () => {
    const told = story();
    const first = await server.connection();
    await answer(first, setOf(4, ['ann', 'bob']));
    await vi.waitFor(() => expect(told).toHaveLength(3));
    first.cut();
    const second = await server.connection();
    expect(members()).toEqual(['ann', 'bob']);
    expect(await answer(second, setOf(9, ['ann', 'eve']))).toEqual({ channel: ROOM, presence: true });
    await vi.waitFor(() => expect(told.slice(3)).toEqual(['-bob', '+eve', 'ann eve']));
    second.cut();
    await answer(await server.connection(), setOf(9, ['eve', 'ann']));
    await vi.waitFor(() => expect(members()).toEqual(['eve', 'ann']));
    expect(told).toHaveLength(6);
  });

  it('are taken from the set that the server sends', async () => {
    const told = story();
    const peer = await server.connection();
    await answer(peer, setOf(4, ['ann', 'bob']));
    peer.send({ event: '$presence', data: { channel: ROOM, ...setOf(20, ['ann', 'eve']) } });
    peer.send(change('$join', 'joe', 21));
    await vi.waitFor(() =>
      expect(told.slice(3)).toEqual(['-bob', '+eve', 'ann eve', '+joe210', 'ann eve joe']),
    );
  });

  it('are asked for where a version is missing, once, and nothing counts until they are here', async () => {
    const told = story();
    const peer = await server.connection();
    await answer(peer, setOf(4, ['ann', 'bob']));
    peer.send(change('$leave', 'ann', 6));
    peer.send(change('$join', 'joe', 7));
    peer.send(change('$join', 'sue', 9));
    expect(await answer(peer, setOf(9, ['bob', 'joe', 'sue']))).toEqual({ channel: ROOM, presence: true });
    peer.send(change('$leave', 'bob', 10));
    await vi.waitFor(() => expect(members()).toEqual(['joe', 'sue']));
    expect(told.slice(3)).toEqual(['-ann', '+joe', '+sue', 'bob joe sue', '-bob100', 'joe sue']);
    expect(peer.events).toEqual(['$subscribe', '$subscribe']);
  });

  it('may have any version where nobody was there', async () => {
    story();
    const peer = await server.connection();
    await answer(peer, setOf(0, ['ann']));
    peer.send(change('$join', 'ann', 1_000));
    peer.send(change('$join', 'bob', 1_001));
    await vi.waitFor(() => expect(members()).toEqual(['ann', 'bob']));
    expect(peer.events).toEqual(['$subscribe']);
  });

  it('are nobody after the channel was left, and after it was taken back', async () => {
    const room = realtime.channel(ROOM);
    const told = story();
    const peer = await server.connection();
    await answer(peer, setOf(4, ['ann']));
    await vi.waitFor(() => expect(members()).toEqual(['ann']));
    peer.send({ event: '$unsubscribed', data: { channel: ROOM, reason: 'removed' } });
    await vi.waitFor(() => expect(told.slice(2)).toEqual(['-ann', '']));
    const again = room.subscribe();
    expect(await answer(peer, setOf(5, ['ann']))).toEqual({ channel: ROOM, presence: true });
    await again;
    const left = room.unsubscribe();
    expect(members()).toEqual([]);
    await peer.reply('$unsubscribe', { data: {} });
    await left;
    peer.send(change('$join', 'bob', 6));
    room.on('say', () => undefined);
    expect(await answer(peer)).toEqual({ channel: ROOM });
    expect(members()).toEqual([]);
    expect(told.slice(4)).toEqual(['+ann', 'ann']);
  });
});

describe('a set in pages', () => {
  it('is told when it is whole, with what changed meanwhile on top', async () => {
    const told = story();
    const peer = await server.connection();
    await answer(peer, setOf(4, ['ann', 'bob'], true));
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
    await answer(peer, setOf(4, ['ann'], true));
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
    await answer(first, setOf(4, ['ann', 'bob']));
    await vi.waitFor(() => expect(members()).toEqual(['ann', 'bob']));
    first.cut();
    const second = await server.connection();
    await answer(second, setOf(9, ['ann'], true));
    await second.reply('$presence', { error: { code: 'forbidden', message: 'no' } });
    await vi.waitFor(() => expect(errors).toMatchObject([{ code: 'forbidden' }]));
    second.send(change('$join', 'eve', 10));
    realtime.send('after');
    await second.receive('after');
    expect(members()).toEqual(['ann', 'bob']);
    expect(told).toHaveLength(3);
  });

  it('is given up with its connection', async () => {
    const told = story();
    const first = await server.connection();
    await answer(first, setOf(4, ['ann'], true));
    await first.receive('$presence');
    first.cut();
    const second = await server.connection();
    await answer(second, setOf(9, ['bob']));
    await vi.waitFor(() => expect(told).toEqual(['+bob', 'bob']));
    expect(second.events).toEqual(['$subscribe']);
  });
});

describe('what a server sends of nobody, or of no channel', () => {
  it('changes nothing', async () => {
    const told = story();
    const peer = await server.connection();
    await answer(peer, setOf(4, ['ann']));
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

it('needs the option', () => {
  const without = new RealtimeClient(server.url);
  expect(() => without.channel(ROOM).presence).toThrow(TypeError);
});

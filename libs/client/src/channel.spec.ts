import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ScriptedServer, type Peer } from '../test/scripted-server.js';
import type { Resync } from './channel-state.js';
import { RealtimeClient } from './client.js';

interface Events {
  say: { text: string };
}

let server: ScriptedServer;
let realtime: RealtimeClient<Events>;

beforeEach(async () => {
  server = await ScriptedServer.start();
  realtime = new RealtimeClient<Events>(server.url);
  realtime.onError(() => undefined);
  vi.spyOn(Math, 'random').mockReturnValue(0);
});

afterEach(async () => {
  realtime.close();
  vi.useRealTimers();
  vi.restoreAllMocks();
  await server.stop();
});

async function subscribed(fields: Record<string, unknown> = {}): Promise<Peer> {
  const reply = realtime.channel('room:7').subscribe();
  const peer = await server.connection();
  await peer.reply('$subscribe', { data: { channel: 'room:7', ...fields } });
  await reply;
  return peer;
}

function heard(): { text: string }[] {
  const seen: { text: string }[] = [];
  realtime.channel('room:7').on('say', (data) => seen.push(data));
  return seen;
}

function say(offset: number) {
  return { event: 'say', channel: 'user:alice', data: { text: String(offset) }, offset };
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

/** The channel that the server gives, at a position. */
async function ownChannel(position: { epoch: string; offset: number }) {
  server.greet = (peer) => peer.welcome({ channels: { 'user:alice': position } });
  const own = realtime.channel('user:alice');
  const seen: string[] = [];
  own.on('say', ({ text }) => seen.push(text));
  const first = await server.connection();
  await vi.waitFor(() => expect(own.state.status).toBe('subscribed'));
  return { own, seen, first };
}

describe('subscribing', () => {
  it('happens at the first listener, once', async () => {
    const room = realtime.channel('room:7');
    const states: string[] = [];
    expect(room.state).toEqual({ status: 'idle' });
    room.onState(({ status }) => states.push(status));
    const seen = heard();
    realtime.channel('room:7').on('say', () => undefined);
    const peer = await server.connection();
    expect(await peer.reply('$subscribe', { data: { channel: 'room:7' } })).toMatchObject({
      data: { channel: 'room:7' },
    });
    peer.send({ event: 'say', channel: 'room:7', data: { text: 'hi' }, from: 'bob' });
    await vi.waitFor(() => expect(seen).toEqual([{ text: 'hi' }]));
    expect(states).toEqual(['subscribing', 'subscribed']);
    expect(peer.events).toEqual(['$subscribe']);
  });

  it('resolves with the reply, at once when it is there already', async () => {
    await subscribed({ epoch: 'e1', offset: 7, presence: { version: 1 } });
    expect(await realtime.channel('room:7').subscribe()).toMatchObject({
      channel: 'room:7',
      epoch: 'e1',
      offset: 7,
    });
  });

  it('rejects with the refusal, which stands until it is asked for anew', async () => {
    const room = realtime.channel('room:7');
    const refused = room.subscribe();
    const peer = await server.connection();
    await peer.reply('$subscribe', { error: { code: 'forbidden', message: 'no' } });
    await expect(refused).rejects.toMatchObject({ code: 'forbidden' });
    expect(room.state).toMatchObject({ status: 'refused', error: { code: 'forbidden' } });
    heard();
    const again = room.subscribe();
    await peer.reply('$subscribe', { data: { channel: 'room:7' } });
    await again;
    expect(peer.events).toEqual(['$subscribe', '$subscribe']);
  });

  it('tries again after a failure that may pass', async () => {
    const reply = realtime.channel('room:7').subscribe();
    const peer = await server.connection();
    await peer.reply('$subscribe', { error: { code: 'unavailable', message: 'no backplane' } });
    await peer.reply('$subscribe', { data: { channel: 'room:7' } });
    expect(await reply).toEqual({ channel: 'room:7' });
  });

  it('outlives a connection lost before the reply', async () => {
    const reply = realtime.channel('room:7').subscribe();
    const first = await server.connection();
    await first.receive('$subscribe');
    first.cut();
    await (await server.connection()).reply('$subscribe', { data: { channel: 'room:7' } });
    expect(await reply).toEqual({ channel: 'room:7' });
  });

  it('is not asked for where the server did it, and not taken back either', async () => {
    server.greet = (peer) => peer.welcome({ channels: { 'user:alice': {} } });
    const own = realtime.channel('user:alice');
    await own.subscribe();
    expect(own.state.status).toBe('subscribed');
    await own.unsubscribe();
    realtime.send('after');
    const peer = await server.connection();
    await peer.receive('after');
    expect(peer.events).toEqual(['after']);
  });

  it('is there again where one that the server gave was left and is wanted anew', async () => {
    const { own, seen, first } = await ownChannel({ epoch: 'e1', offset: 1 });
    await own.unsubscribe();
    own.on('say', ({ text }) => seen.push(text));
    first.send(say(2));
    await vi.waitFor(() => expect(seen).toEqual(['2']));
    expect(own.state).toEqual({ status: 'subscribed' });
    expect(first.events).toEqual([]);
  });

  it('rejects when the client is closed', async () => {
    const reply = realtime.channel('room:7').subscribe();
    realtime.close();
    await expect(reply).rejects.toMatchObject({ code: 'unavailable' });
    await expect(realtime.channel('room:7').subscribe()).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('is by one object for a name, whoever asks for it and whether it was left meanwhile', async () => {
    const room = realtime.channel('room:7');
    const peer = await subscribed();
    expect(realtime.channel('room:7')).toBe(room);
    const left = room.unsubscribe();
    await peer.reply('$unsubscribe', { data: {} });
    await left;
    expect(realtime.channel('room:7')).toBe(room);
    expect(realtime.channel('constructor').state.status).toBe('idle');
  });
});

describe('a channel that nobody holds', () => {
  it('is the same one as long as it is wanted or listened to', async () => {
    const seen = heard();
    const peer = await subscribed();
    const states: string[] = [];
    realtime.channel('room:8').onState(({ status }) => states.push(status));
    const before = [new WeakRef(realtime.channel('room:7')), new WeakRef(realtime.channel('room:8'))];
    // Not in this task, whose own references count.
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    expect(before.map((held) => held.deref() !== undefined)).toEqual([true, true]);
    peer.send({ event: 'say', channel: 'room:7', data: { text: 'hello' } });
    realtime.channel('room:8').on('say', () => undefined);
    await vi.waitFor(() => expect(seen).toEqual([{ text: 'hello' }]));
    expect(realtime.channel('room:7').state.status).toBe('subscribed');
    expect(states).toEqual(['subscribing']);
  });

  it('is forgotten where nothing is wanted of it', async () => {
    const idle = new WeakRef(realtime.channel('room:9'));
    await vi.waitFor(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      collectGarbage();
      expect(idle.deref()).toBeUndefined();
    });
  });
});

describe('a listener of the state', () => {
  /** Runs once, the first time that the channel is in this state. */
  function once(status: string, act: () => void): void {
    const end = realtime.channel('room:7').onState((state) => {
      if (state.status !== status) return;
      end();
      act();
    });
  }

  it('may leave and subscribe anew while the first reply is told', async () => {
    const room = realtime.channel('room:7');
    const again = new Promise((resolve, reject) => {
      once('subscribed', () => {
        void room.unsubscribe();
        room.subscribe().then(resolve, reject);
      });
    });
    room.subscribe().catch(() => undefined);
    const peer = await server.connection();
    await peer.reply('$subscribe', { data: { channel: 'room:7' } });
    await peer.reply('$unsubscribe', { data: {} });
    await peer.reply('$subscribe', { data: { channel: 'room:7', epoch: 'e2', offset: 2 } });
    expect(await again).toEqual({ channel: 'room:7', epoch: 'e2', offset: 2 });
    expect(room.state.status).toBe('subscribed');
  });

  it('may ask again after a refusal, and gets the answer to that', async () => {
    const room = realtime.channel('room:7');
    const again = new Promise((resolve, reject) => {
      once('refused', () => room.subscribe().then(resolve, reject));
    });
    const refused = room.subscribe();
    const peer = await server.connection();
    await peer.reply('$subscribe', { error: { code: 'forbidden', message: 'not yet' } });
    await expect(refused).rejects.toMatchObject({ code: 'forbidden' });
    await peer.reply('$subscribe', { data: { channel: 'room:7' } });
    expect(await again).toEqual({ channel: 'room:7' });
  });

  it('may want the channel again as it is being left', async () => {
    const room = realtime.channel('room:7');
    const peer = await subscribed();
    const again = new Promise((resolve, reject) => {
      once('idle', () => room.subscribe().then(resolve, reject));
    });
    const left = room.unsubscribe();
    await peer.reply('$unsubscribe', { data: {} });
    await peer.reply('$subscribe', { data: { channel: 'room:7' } });
    expect(await again).toEqual({ channel: 'room:7' });
    await left;
    expect(room.state.status).toBe('subscribed');
  });

  it('may leave the channel as it is asked for, which says nothing to the server', async () => {
    const room = realtime.channel('room:7');
    realtime.connect();
    const peer = await server.connection();
    await vi.waitFor(() => expect(realtime.state.status).toBe('open'));
    once('subscribing', () => void room.unsubscribe());
    await expect(room.subscribe()).rejects.toMatchObject({ code: 'unavailable' });
    realtime.send('after');
    await peer.receive('after');
    expect(peer.events).toEqual(['after']);
    expect(room.state).toEqual({ status: 'idle' });
  });

  it('may ask for another channel as a connection opens, which is asked for once', async () => {
    server.greet = (peer) => peer.welcome({ channels: { 'user:alice': {} } });
    const room = realtime.channel('room:7');
    const own = realtime.channel('user:alice');
    own.onState(({ status }) => {
      if (status === 'subscribed') room.on('say', () => undefined);
    });
    room.onState(() => undefined);
    void own.subscribe();
    const peer = await server.connection();
    realtime.send('after');
    await peer.receive('after');
    expect(peer.events).toEqual(['$subscribe', 'after']);
  });

  it('waits for the next connection where it subscribes as the old one goes', async () => {
    const room = realtime.channel('room:7');
    const first = await subscribed({ epoch: 'e1', offset: 1 });
    const again = new Promise((resolve, reject) => {
      once('subscribing', () => room.subscribe().then(resolve, reject));
    });
    first.cut();
    const second = await server.connection();
    await second.reply('$subscribe', {
      data: { channel: 'room:7', epoch: 'e1', offset: 5, recovered: true },
    });
    expect(await again).toMatchObject({ offset: 5 });
  });
});

describe('after a reconnect', () => {
  it('subscribes again before anything that waited is sent', async () => {
    const first = await subscribed();
    realtime.channel('room:8').on('say', () => undefined);
    await first.reply('$subscribe', { data: { channel: 'room:8' } });
    server.greet = () => undefined;
    first.cut();
    const second = await server.connection();
    expect(realtime.channel('room:7').state.status).toBe('subscribing');
    realtime.send('queued');
    const published = realtime.channel('room:7').publish('say', { text: 'hi' });
    second.welcome();
    await second.reply('$publish', { data: { channel: 'room:7' } });
    await published;
    expect(second.events).toEqual(['$subscribe', '$subscribe', 'queued', '$publish']);
  });

  it('goes on at the last position, without a gap and without a repetition', async () => {
    const seen = heard();
    const first = await server.connection();
    await first.reply('$subscribe', { data: { channel: 'room:7', epoch: 'e1', offset: 3 } });
    first.send({ event: 'say', channel: 'room:7', data: { text: 'four' }, offset: 4 });
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    first.cut();
    const second = await server.connection();
    const publications = [4, 5, 6].map((offset) => ({
      event: 'say',
      channel: 'room:7',
      data: { text: `${offset}` },
      offset,
    }));
    const asked = await second.reply('$subscribe', {
      data: { channel: 'room:7', epoch: 'e1', offset: 6, recovered: true, publications },
    });
    second.send({ event: 'say', channel: 'room:7', data: { text: '7' }, offset: 7 });
    await vi.waitFor(() => expect(seen).toHaveLength(4));
    expect(asked.data).toEqual({ channel: 'room:7', position: { epoch: 'e1', offset: 4 } });
    expect(seen.map(({ text }) => text)).toEqual(['four', '5', '6', '7']);
  });

  it('passes on what comes live in a channel that the server gave only behind what it had missed', async () => {
    const { own, seen, first } = await ownChannel({ epoch: 'e1', offset: 1 });
    first.send(say(2));
    await vi.waitFor(() => expect(seen).toEqual(['2']));
    server.greet = (peer) => {
      peer.welcome({ channels: { 'user:alice': { epoch: 'e1', offset: 4 } } });
      peer.send(say(5));
    };
    first.cut();
    const second = await server.connection();
    const publications = [3, 4, 5].map(say);
    const asked = await second.reply('$subscribe', {
      data: { channel: 'user:alice', epoch: 'e1', offset: 5, recovered: true, publications },
    });
    second.send(say(6));
    await vi.waitFor(() => expect(seen).toEqual(['2', '3', '4', '5', '6']));
    expect(asked.data).toEqual({ channel: 'user:alice', position: { epoch: 'e1', offset: 2 } });
    expect(own.state).toEqual({ status: 'subscribed', recovered: true });
  });

  it('keeps the order where a part of what it had missed comes behind the reply', async () => {
    const { seen, first } = await ownChannel({ epoch: 'e1', offset: 1 });
    first.send(say(2));
    await vi.waitFor(() => expect(seen).toEqual(['2']));
    server.greet = (peer) => {
      peer.welcome({ channels: { 'user:alice': { epoch: 'e1', offset: 4 } } });
      peer.send(say(5));
    };
    first.cut();
    const second = await server.connection();
    await second.reply('$subscribe', {
      data: { channel: 'user:alice', epoch: 'e1', offset: 3, recovered: true, publications: [say(3)] },
    });
    for (const offset of [4, 5, 6]) second.send(say(offset));
    await vi.waitFor(() => expect(seen).toEqual(['2', '3', '4', '5', '6']));
  });

  it('asks for nothing in a channel that the server gave where nothing was missed', async () => {
    const { own, first } = await ownChannel({ epoch: 'e1', offset: 1 });
    first.cut();
    const second = await server.connection();
    await vi.waitFor(() => expect(own.state).toEqual({ status: 'subscribed', recovered: true }));
    realtime.send('after');
    await second.receive('after');
    expect(second.events).toEqual(['after']);
  });

  it('says so when it could not go on', async () => {
    const lost: Resync[] = [];
    realtime.channel('room:7').onResync((resync) => lost.push(resync));
    const first = await subscribed({ epoch: 'e1', offset: 3 });
    first.cut();
    await (
      await server.connection()
    ).reply('$subscribe', {
      data: { channel: 'room:7', epoch: 'e2', offset: 0, recovered: false },
    });
    await vi.waitFor(() =>
      expect(lost).toEqual([{ reason: 'not recovered', position: { epoch: 'e2', offset: 0 } }]),
    );
  });
});

describe('a subscription', () => {
  it('passes $resync on and takes its position', async () => {
    const lost: Resync[] = [];
    realtime.channel('room:7').onResync((resync) => lost.push(resync));
    const seen = heard();
    const peer = await server.connection();
    await peer.reply('$subscribe', { data: { channel: 'room:7', epoch: 'e1', offset: 9 } });
    peer.send({ event: '$resync', data: { channel: 'room:7', epoch: 'e2', offset: 1, reason: 'trimmed' } });
    peer.send({ event: 'say', channel: 'room:7', data: { text: 'two' }, offset: 2 });
    await vi.waitFor(() => expect(seen).toEqual([{ text: 'two' }]));
    expect(lost).toEqual([{ reason: 'trimmed', position: { epoch: 'e2', offset: 1 } }]);
  });

  it('taken back by the server stays away, also after a reconnect, until it is asked for', async () => {
    const first = await subscribed();
    first.send({ event: '$unsubscribed', data: { channel: 'room:7', reason: 'forbidden' } });
    const room = realtime.channel('room:7');
    await vi.waitFor(() => expect(room.state).toEqual({ status: 'unsubscribed', reason: 'forbidden' }));
    first.cut();
    const second = await server.connection();
    realtime.send('after');
    await second.receive('after');
    expect(second.events).toEqual(['after']);
    const again = room.subscribe();
    await second.reply('$subscribe', { data: { channel: 'room:7' } });
    await again;
  });

  it('is left with its listeners', async () => {
    const seen = heard();
    const peer = await subscribed();
    const left = realtime.channel('room:7').unsubscribe();
    expect(await peer.reply('$unsubscribe', { data: { channel: 'room:7' } })).toMatchObject({
      data: { channel: 'room:7' },
    });
    await left;
    peer.send({ event: 'say', channel: 'room:7', data: { text: 'too late' } });
    realtime.send('after');
    await peer.receive('after');
    expect(seen).toEqual([]);
    expect(realtime.channel('room:7').state.status).toBe('idle');
  });

  it('is left where a listener of what was missed wants that', async () => {
    const room = realtime.channel('room:7');
    const seen: string[] = [];
    room.on('say', ({ text }) => {
      seen.push(text);
      return room.unsubscribe();
    });
    const first = await server.connection();
    await first.reply('$subscribe', { data: { channel: 'room:7', epoch: 'e1', offset: 1 } });
    await vi.waitFor(() => expect(room.state.status).toBe('subscribed'));
    first.cut();
    const second = await server.connection();
    const publications = [2, 3].map((offset) => ({ ...say(offset), channel: 'room:7' }));
    await second.reply('$subscribe', {
      data: { channel: 'room:7', epoch: 'e1', offset: 3, recovered: true, publications },
    });
    await second.reply('$unsubscribe', { data: {} });
    expect(seen).toEqual(['2']);
    expect(room.state).toEqual({ status: 'idle' });
  });

  it('is not there for who waited for it where a listener of what was missed leaves', async () => {
    const room = realtime.channel('room:7');
    const first = await subscribed({ epoch: 'e1', offset: 1 });
    room.on('say', () => room.unsubscribe());
    server.greet = () => undefined;
    first.cut();
    const second = await server.connection();
    const waiting = room.subscribe();
    second.welcome();
    await second.reply('$subscribe', {
      data: { epoch: 'e1', offset: 2, recovered: true, publications: [{ ...say(2), channel: 'room:7' }] },
    });
    await expect(waiting).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('is asked for and left in the order of the calls, and only the reply to the last counts', async () => {
    const room = realtime.channel('room:7');
    const seen: string[] = [];
    room.on('say', ({ text }) => seen.push(text));
    const peer = await server.connection();
    const first = await peer.receive('$subscribe');
    const left = room.unsubscribe();
    const joined = room.subscribe();
    const leftAgain = room.unsubscribe();
    await expect(joined).rejects.toMatchObject({ code: 'unavailable' });
    room.on('say', ({ text }) => seen.push(text));
    realtime.send('between');
    await peer.receive('between');
    const asked = ['$subscribe', '$unsubscribe'];
    expect(peer.events).toEqual([...asked, ...asked, '$subscribe', 'between']);
    peer.send({
      id: first.id,
      data: { channel: 'room:7', publications: [{ ...say(1), channel: 'room:7' }] },
    });
    await peer.reply('$unsubscribe', { data: {} });
    await peer.reply('$subscribe', { error: { code: 'forbidden', message: 'of an earlier stay' } });
    await peer.reply('$unsubscribe', { data: {} });
    await Promise.all([left, leftAgain]);
    expect([room.state.status, seen]).toEqual(['subscribing', []]);
    await peer.reply('$subscribe', { data: { channel: 'room:7' } });
    await vi.waitFor(() => expect(room.state.status).toBe('subscribed'));
  });

  it('begins with what comes behind its reply, whatever was on its way to an earlier one', async () => {
    const room = realtime.channel('room:7');
    const peer = await subscribed({ epoch: 'e1', offset: 1 });
    const left = room.unsubscribe();
    const seen = heard();
    peer.send({ ...say(9), channel: 'room:7' });
    await peer.reply('$unsubscribe', { data: {} });
    await peer.reply('$subscribe', { data: { epoch: 'e2', offset: 1 } });
    peer.send({ ...say(2), channel: 'room:7' });
    await left;
    await vi.waitFor(() => expect(seen).toEqual([{ text: '2' }]));
  });

  it('leaves no try behind that was to come later', async () => {
    vi.mocked(Math.random).mockReturnValue(0.5);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const room = realtime.channel('room:7');
    room.on('say', () => undefined);
    const peer = await server.connection();
    await peer.reply('$subscribe', { error: { code: 'internal', message: 'busy' } });
    const behindIt = realtime.request('behind it');
    await peer.reply('behind it', { data: true });
    await behindIt;
    const timers = vi.getTimerCount();
    const left = room.unsubscribe();
    await peer.reply('$unsubscribe', { data: {} });
    await left;
    expect(vi.getTimerCount()).toBe(timers - 1);
    vi.advanceTimersByTime(1_000);
    realtime.send('last');
    await peer.receive('last');
    expect(peer.events).toEqual(['$subscribe', 'behind it', '$unsubscribe', 'last']);
  });

  it('is kept where it is wanted again before it was left', async () => {
    const peer = await subscribed();
    const room = realtime.channel('room:7');
    const left = room.unsubscribe();
    const again = room.subscribe();
    await peer.reply('$unsubscribe', { data: {} });
    await peer.reply('$subscribe', { data: { channel: 'room:7' } });
    await Promise.all([left, again]);
    expect(room.state.status).toBe('subscribed');
  });

  it('counts as left when its connection is lost', async () => {
    const peer = await subscribed();
    const left = realtime.channel('room:7').unsubscribe();
    await peer.receive('$unsubscribe');
    peer.cut();
    await left;
  });
});

describe('publishing', () => {
  it('needs no subscription and resolves with the position', async () => {
    const published = realtime.channel('room:7').publish('say', { text: 'hi' }, { idempotencyKey: 'k1' });
    const peer = await server.connection();
    const { data } = await peer.reply('$publish', { data: { channel: 'room:7', epoch: 'e1', offset: 4 } });
    expect(data).toEqual({ channel: 'room:7', event: 'say', data: { text: 'hi' }, idempotencyKey: 'k1' });
    expect(await published).toEqual({ channel: 'room:7', epoch: 'e1', offset: 4 });
    expect(peer.events).toEqual(['$publish']);
  });

  it('repeats with exactly the same key while the outcome is unknown: lost connection, "unavailable"', async () => {
    const published = realtime.channel('room:7').publish('say', { text: 'hi' });
    const first = await server.connection();
    const lost = await first.receive('$publish');
    first.cut();
    const second = await server.connection();
    const unknown = await second.reply('$publish', {
      error: { code: 'unavailable', message: 'no backplane' },
    });
    const done = await second.reply('$publish', { data: { channel: 'room:7', offset: 1 } });
    expect(await published).toEqual({ channel: 'room:7', offset: 1 });
    expect(lost.data?.['idempotencyKey']).toMatch(/^\d+(-\d+){3}$/);
    expect(unknown.data).toEqual(lost.data);
    expect(done.data).toEqual(lost.data);
  });

  it('takes a new key for a new publication', async () => {
    void realtime
      .channel('room:7')
      .publish('say', { text: '1' })
      .catch(() => undefined);
    void realtime
      .channel('room:7')
      .publish('say', { text: '2' })
      .catch(() => undefined);
    const peer = await server.connection();
    const keys = [await peer.receive('$publish'), await peer.receive('$publish')].map(
      ({ data }) => data?.['idempotencyKey'],
    );
    expect(new Set(keys).size).toBe(2);
  });

  it('gives up after five attempts', async () => {
    const published = realtime.channel('room:7').publish('say', { text: 'hi' });
    const peer = await server.connection();
    const error = { code: 'unavailable', message: 'no backplane' };
    const answering = Promise.all(Array.from({ length: 5 }, () => peer.reply('$publish', { error })));
    await expect(published).rejects.toMatchObject({ code: 'unavailable' });
    await answering;
    expect(peer.events).toHaveLength(5);
  });

  it('does not repeat a refusal', async () => {
    const published = realtime.channel('room:7').publish('say', { text: 'hi' });
    const peer = await server.connection();
    await peer.reply('$publish', { error: { code: 'forbidden', message: 'no' } });
    await expect(published).rejects.toMatchObject({ code: 'forbidden' });
    expect(peer.events).toEqual(['$publish']);
  });

  it('ends its pause when the client is closed or the signal aborts', async () => {
    vi.mocked(Math.random).mockReturnValue(0.999);
    const stop = new AbortController();
    const aborted = realtime.channel('room:7').publish('say', { text: '1' }, { signal: stop.signal });
    const closed = realtime.channel('room:7').publish('say', { text: '2' });
    const peer = await server.connection();
    const error = { code: 'unavailable', message: 'no backplane' };
    await peer.reply('$publish', { error });
    await peer.reply('$publish', { error });
    realtime.send('after');
    await peer.receive('after');
    stop.abort(new Error('changed my mind'));
    await expect(aborted).rejects.toThrow('changed my mind');
    realtime.close();
    await expect(closed).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe('a signal', () => {
  it('ends the waiting for a subscription, which stays wanted', async () => {
    const abort = new AbortController();
    const room = realtime.channel('room:7');
    const reply = room.subscribe({ signal: abort.signal });
    const peer = await server.connection();
    const asked = await peer.receive('$subscribe');
    abort.abort('enough');
    await expect(reply).rejects.toBe('enough');
    peer.send({ id: asked.id, data: { channel: 'room:7' } });
    await vi.waitFor(() => expect(room.state.status).toBe('subscribed'));
    await expect(room.subscribe({ signal: AbortSignal.abort('late') })).rejects.toBe('late');
  });

  it('ends a publish while it waits for its next attempt, and takes out what has not left', async () => {
    vi.mocked(Math.random).mockReturnValue(0.999);
    const abort = new AbortController();
    const room = realtime.channel('room:7');
    const published = room.publish('say', { text: 'hi' }, { signal: abort.signal });
    const peer = await server.connection();
    await peer.reply('$publish', { error: { code: 'unavailable', message: 'later' } });
    const arrived = realtime.request('arrived');
    await peer.reply('arrived', { data: true });
    await arrived;
    abort.abort('enough');
    await expect(published).rejects.toBe('enough');

    server.greet = () => undefined;
    peer.cut();
    await vi.waitFor(() => expect(realtime.state.status).toBe('waiting'));
    const gone = new AbortController();
    const waiting = room.publish('say', { text: 'gone' }, { signal: gone.signal });
    realtime.send('kept');
    gone.abort('no more');
    await expect(waiting).rejects.toBe('no more');
    const next = await server.connection();
    next.welcome();
    await next.receive('kept');
    expect(next.events).toEqual(['kept']);
  });
});

import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from 'vitest';
import { ScriptedServer, type Peer } from '../../test/scripted-server.js';
import type { Channel } from '../channel.js';
import { RealtimeClient } from '../client.js';
import type { Publication } from '../events.js';
import { publications } from './publications.js';

interface Events {
  say: { text: string };
  draw: { x: number };
}

const ROOM = 'room:7';

let server: ScriptedServer;
let realtime: RealtimeClient<Events>;
let room: Channel<Events>;

beforeEach(async () => {
  server = await ScriptedServer.start();
  realtime = new RealtimeClient<Events>(server.url);
  realtime.onError(() => undefined);
  room = realtime.channel(ROOM);
  vi.spyOn(Math, 'random').mockReturnValue(0);
});

afterEach(async () => {
  realtime.close();
  vi.restoreAllMocks();
  await server.stop();
});

/** Reads until the channel ends or says `last`; what was read, and what it threw. */
async function readAll(signal?: AbortSignal): Promise<{ texts: string[]; error?: unknown }> {
  const texts: string[] = [];
  try {
    for await (const publication of publications(room, { signal })) {
      if (publication.event === 'say') texts.push(publication.data.text);
      else texts.push(`x${publication.data.x}`);
      if (texts.at(-1) === 'last') break;
    }
    return { texts };
  } catch (error) {
    return { texts, error };
  }
}

function say(text: string, more: object = {}) {
  return { event: 'say', channel: ROOM, data: { text }, ...more };
}

async function answered(data: object = {}): Promise<Peer> {
  const peer = await server.connection();
  await peer.reply('$subscribe', { data: { channel: ROOM, ...data } });
  await vi.waitFor(() => expect(room.state.status).toBe('subscribed'));
  return peer;
}

/** All that the server sent before has arrived. */
async function arrived(peer: Peer): Promise<void> {
  const reply = realtime.request('heard');
  await peer.reply('heard', { data: true });
  await reply;
}

describe('reading a channel', () => {
  it('subscribes, and yields every publication, whatever its event', async () => {
    const read = readAll();
    const peer = await answered();
    peer.send(say('one'));
    peer.send({ event: 'draw', channel: ROOM, data: { x: 2 } });
    peer.send({ event: 'say', channel: 'room:8', data: { text: 'elsewhere' } });
    peer.send(say('last'));
    expect(await read).toEqual({ texts: ['one', 'x2', 'last'] });
    expect(room.state.status).toBe('subscribed');
  });

  it('yields each publication as it came', async () => {
    void answered().then((peer) => peer.send(say('here', { from: 'bob' })));
    for await (const publication of publications(room)) {
      expect(publication).toEqual(say('here', { from: 'bob' }));
      break;
    }
  });

  it('keeps what comes between two reads, for each reader', async () => {
    const [one, two] = [readAll(), readAll()];
    const peer = await answered();
    for (const text of ['a', 'b', 'c', 'last']) peer.send(say(text));
    const all = { texts: ['a', 'b', 'c', 'last'] };
    expect([await one, await two]).toEqual([all, all]);
  });

  it('goes on over a reconnect, with what was missed and nothing twice', async () => {
    const read = readAll();
    const peer = await answered({ epoch: 'e', offset: 1 });
    peer.send(say('two', { offset: 2 }));
    peer.cut();
    const next = await server.connection();
    const missed = [say('two', { offset: 2 }), say('three', { offset: 3 })];
    const data = { epoch: 'e', offset: 3, recovered: true, publications: missed };
    await next.reply('$subscribe', { data });
    next.send(say('three', { offset: 3 }));
    next.send(say('last', { offset: 4 }));
    expect(await read).toEqual({ texts: ['two', 'three', 'last'] });
  });

  it('ends when the channel is left, taken back, or the client is closed', async () => {
    const left = readAll();
    const peer = await answered();
    peer.send(say('one'));
    await arrived(peer);
    void peer.reply('$unsubscribe', { data: {} });
    await room.unsubscribe();
    expect(await left).toEqual({ texts: ['one'] });

    const revoked = readAll();
    await peer.reply('$subscribe', { data: { channel: ROOM } });
    peer.send({ event: '$unsubscribed', data: { channel: ROOM, reason: 'kicked' } });
    expect(await revoked).toEqual({ texts: [] });

    const closed = readAll();
    await peer.receive('$subscribe');
    realtime.close();
    expect(await closed).toEqual({ texts: [] });
  });

  it('throws the refusal, and `unavailable` where the client is closed already', async () => {
    const read = readAll();
    const peer = await server.connection();
    await peer.reply('$subscribe', { error: { code: 'forbidden', message: 'no' } });
    expect(await read).toMatchObject({ texts: [], error: { code: 'forbidden' } });
    realtime.close();
    expect(await readAll()).toMatchObject({ texts: [], error: { code: 'unavailable' } });
  });

  it('throws `overloaded` behind 1,000 publications that nobody read', async () => {
    const reader = publications(room);
    const first = reader.next();
    const peer = await answered();
    peer.send(say('0'));
    expect((await first).value).toMatchObject({ data: { text: '0' } });
    for (let count = 1; count <= 1_001; count += 1) peer.send(say(String(count)));
    await arrived(peer);
    for (let count = 1; count <= 1_000; count += 1)
      expect((await reader.next()).value).toMatchObject({ data: { text: String(count) } });
    await expect(reader.next()).rejects.toMatchObject({ code: 'overloaded' });
    expect(await reader.next()).toEqual({ done: true, value: undefined });
  });

  it('leaves no gap where it is read on behind that', async () => {
    const reader = publications(room);
    const first = reader.next();
    const peer = await answered();
    peer.send(say('0'));
    await first;
    for (let count = 1; count <= 1_001; count += 1) peer.send(say(String(count)));
    await arrived(peer);
    for (let count = 1; count <= 10; count += 1) await reader.next();
    peer.send(say('behind the gap'));
    await arrived(peer);
    const texts: unknown[] = [];
    const reading = (async () => {
      for await (const { data } of reader) texts.push(data);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'overloaded' });
    expect(texts).toHaveLength(990);
    expect(texts.at(-1)).toEqual({ text: '1000' });
  });

  it('throws the reason of its signal', async () => {
    const abort = new AbortController();
    const read = readAll(abort.signal);
    await answered();
    abort.abort('enough');
    expect(await read).toEqual({ texts: [], error: 'enough' });
    expect(await readAll(AbortSignal.abort('too late'))).toEqual({ texts: [], error: 'too late' });
  });

  it('costs nothing before the first read', () => {
    publications(room);
    expect([realtime.state.status, room.state.status]).toEqual(['idle', 'idle']);
  });

  it('has the types of the channel’s events', () => {
    expectTypeOf(publications(room)).toEqualTypeOf<AsyncGenerator<Publication<Events>, void, undefined>>();
    const untyped = new RealtimeClient(server.url).channel('any');
    expectTypeOf(publications(untyped)).toEqualTypeOf<AsyncGenerator<Publication, void, undefined>>();
  });
});

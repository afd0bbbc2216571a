import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ScriptedServer, type Peer } from '../test/scripted-server.js';
import { RealtimeClient } from './client.js';
import type { RealtimeState } from './state.js';

interface Events {
  'order.status': { id: number };
  note: string;
}

let server: ScriptedServer;
let realtime: RealtimeClient<Events>;
let errors: unknown[];

beforeEach(async () => {
  server = await ScriptedServer.start();
  realtime = new RealtimeClient<Events>(server.url);
  errors = [];
  realtime.onError((error) => errors.push(error));
  vi.spyOn(Math, 'random').mockReturnValue(0);
});

afterEach(async () => {
  realtime.close();
  vi.restoreAllMocks();
  await server.stop();
});

async function open(): Promise<Peer> {
  realtime.connect();
  const peer = await server.connection();
  await status('open');
  return peer;
}

function status(wanted: RealtimeState['status']): Promise<void> {
  return vi.waitFor(() => expect(realtime.state.status).toBe(wanted), { interval: 5, timeout: 5_000 });
}

describe('events', () => {
  it('come to their listeners until those are taken off', async () => {
    const peer = await open();
    const seen: number[] = [];
    const off = realtime.on('order.status', ({ id }) => seen.push(id));
    const done = new Promise((resolve) => realtime.on('note', resolve));
    peer.send({ event: 'order.status', data: { id: 1 } });
    await vi.waitFor(() => expect(seen).toEqual([1]));
    off();
    peer.send({ event: 'order.status', data: { id: 2 } });
    peer.send({ event: 'note', data: 'done' });
    await done;
    expect(seen).toEqual([1]);
  });

  it('of the own user channel come to the client too', async () => {
    server.greet = (peer) => peer.welcome({ channels: { 'user:alice': {} } });
    const peer = await open();
    const note = new Promise((resolve) => realtime.on('note', (data, frame) => resolve({ data, ...frame })));
    peer.send({ event: 'note', channel: 'room:7', data: 'not mine' });
    peer.send({ event: 'note', channel: 'user:alice', data: 'mine', offset: 4 });
    expect(await note).toEqual({ event: 'note', channel: 'user:alice', data: 'mine', offset: 4 });
  });

  it('have names: by an empty one nothing is heard, nor what becomes of a channel or the connection', async () => {
    server.greet = (peer) => peer.welcome({ channels: { 'user:alice': {} } });
    const heard: unknown[] = [];
    realtime.on('' as 'note', (data) => heard.push(data));
    realtime.channel('user:alice').on('' as 'note', (data) => heard.push(data));
    const peer = await open();
    const note = new Promise((resolve) => realtime.on('note', resolve));
    peer.send({ event: 'note', channel: 'user:alice', data: 'mine', offset: 4 });
    await note;
    expect(heard).toEqual([]);
  });

  it('survive a listener that throws and one that rejects, which are reported', async () => {
    const peer = await open();
    const thrown = new Error('thrown');
    const rejected = new Error('rejected');
    realtime.on('note', () => {
      throw thrown;
    });
    realtime.on('note', () => Promise.reject(rejected));
    const heard = new Promise((resolve) => realtime.on('note', resolve));
    peer.send({ event: 'note', data: 'hi' });
    expect(await heard).toBe('hi');
    expect(realtime.state.status).toBe('open');
    expect(errors).toEqual([thrown, rejected]);
  });

  it('go to the console when nobody listens for errors', async () => {
    const log = vi.spyOn(console, 'error').mockReturnValue();
    const quiet = new RealtimeClient(server.url);
    quiet.onState(() => {
      throw new Error('a state listener');
    });
    quiet.connect();
    expect(log).toHaveBeenCalledWith('Aerie:', new Error('a state listener'));
    quiet.close();
  });
});

describe('request', () => {
  it('resolves with the reply to its id', async () => {
    const peer = await open();
    const both = Promise.all([realtime.request('one', { n: 1 }), realtime.request<string>('two')]);
    const [one, two] = [await peer.receive('one'), await peer.receive('two')];
    expect(one.data).toEqual({ n: 1 });
    peer.send({ id: two.id, data: 'second' });
    peer.send({ id: one.id, data: 'first' });
    expect(await both).toEqual(['first', 'second']);
  });

  it('rejects with the code of the server', async () => {
    const peer = await open();
    const reply = realtime.request('secret');
    await peer.reply('secret', { error: { code: 'forbidden', message: 'no', details: { need: 'admin' } } });
    await expect(reply).rejects.toMatchObject({
      name: 'RealtimeError',
      code: 'forbidden',
      details: { need: 'admin' },
    });
  });

  it('rejects as "timeout" when no reply comes, connected or not', async () => {
    await open();
    await expect(realtime.request('slow', {}, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'timeout' });
    server.refusal = { status: 500 };
    server.peers[0]?.cut();
    await status('waiting');
    await expect(realtime.request('slow', {}, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'timeout' });
  });

  it('does not send what timed out while it waited for a connection', async () => {
    server.greet = () => undefined;
    await expect(realtime.request('late', {}, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'timeout' });
    const peer = await server.connection();
    realtime.send('after');
    peer.welcome();
    await peer.receive('after');
    expect(peer.events).toEqual(['after']);
  });

  it('gives up with the reason of its signal', async () => {
    await open();
    const stop = new AbortController();
    const reply = realtime.request('slow', {}, { signal: stop.signal });
    stop.abort(new Error('changed my mind'));
    await expect(reply).rejects.toThrow('changed my mind');
    await expect(realtime.request('slow', {}, { signal: stop.signal })).rejects.toThrow('changed my mind');
  });

  it('rejects as "unavailable" when the connection is lost before the reply', async () => {
    const peer = await open();
    const reply = realtime.request('pay');
    await peer.receive('pay');
    peer.cut();
    await expect(reply).rejects.toMatchObject({ code: 'unavailable' });
    const next = await server.connection();
    realtime.send('after');
    await next.receive('after');
    expect(next.events).not.toContain('pay');
  });

  it('rejects as "unavailable" at close, sent or queued, and afterwards', async () => {
    const queued = realtime.request('early');
    realtime.close();
    await expect(queued).rejects.toMatchObject({ code: 'unavailable' });
    await expect(realtime.request('late')).rejects.toMatchObject({ code: 'unavailable' });
  });

  it("refuses names that are not the application's and frames the server would close for", async () => {
    server.greet = (peer) => peer.welcome({ maxFrameBytes: 100 });
    await open();
    await expect(realtime.request('$auth')).rejects.toMatchObject({ code: 'invalid' });
    await expect(realtime.request('big', 'x'.repeat(100))).rejects.toMatchObject({ code: 'too_large' });
    expect(realtime.state.status).toBe('open');
  });
});

describe('send', () => {
  it('waits for the connection, in order', async () => {
    for (const event of ['a', 'b', 'c']) realtime.send(event);
    const peer = await server.connection();
    await peer.receive('c');
    expect(peer.events).toEqual(['a', 'b', 'c']);
    expect(peer.frames.every(({ id }) => id === undefined)).toBe(true);
  });

  it('keeps at most 100 messages', () => {
    for (let count = 0; count < 100; count += 1) realtime.send('tick', count);
    expect(() => realtime.send('tick')).toThrow(expect.objectContaining({ code: 'overloaded' }));
  });

  it('keeps at most 256 KiB', () => {
    for (let count = 0; count < 3; count += 1) realtime.send('lump', 'é'.repeat(40_000));
    expect(() => realtime.send('lump', 'é'.repeat(40_000))).toThrow(
      expect.objectContaining({ code: 'overloaded' }),
    );
  });

  it('reports what is too large, whether it was queued or not', async () => {
    server.greet = (peer) => peer.welcome({ maxFrameBytes: 50 });
    realtime.send('big', 'x'.repeat(100));
    realtime.send('small');
    await (await server.connection()).receive('small');
    realtime.send('big', 'x'.repeat(100));
    expect(errors).toMatchObject([{ code: 'too_large' }, { code: 'too_large' }]);
  });

  it('reports an error frame that answers no id', async () => {
    const peer = await open();
    peer.send({ error: { code: 'rate_limited', message: 'slow down' } });
    await vi.waitFor(() => expect(errors).toMatchObject([{ code: 'rate_limited', message: 'slow down' }]));
  });
});

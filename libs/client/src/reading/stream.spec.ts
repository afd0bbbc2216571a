import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ScriptedServer, type Peer } from '../../test/scripted-server.js';
import { RealtimeClient } from '../client.js';
import { stream } from './stream.js';

interface Events {
  note: string;
}

let server: ScriptedServer;
let realtime: RealtimeClient<Events>;

beforeEach(async () => {
  server = await ScriptedServer.start();
  realtime = new RealtimeClient<Events>(server.url);
});

afterEach(async () => {
  realtime.close();
  await server.stop();
});

async function open(): Promise<Peer> {
  realtime.connect();
  const peer = await server.connection();
  await vi.waitFor(() => expect(realtime.state.status).toBe('open'));
  return peer;
}

async function collect(replies: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const reply of replies) all.push(reply);
  return all;
}

describe('stream', () => {
  it('yields replies until the last', async () => {
    const peer = await open();
    const replies = stream<number>(realtime, 'count');
    const all = collect(replies);
    const { id } = await peer.receive('count');
    for (const data of [1, 2, 3]) peer.send({ id, data, more: true });
    peer.send({ id, done: true });
    expect(await all).toEqual([1, 2, 3]);
  });

  it('takes a single reply for a stream of one', async () => {
    const peer = await open();
    const all = collect(stream(realtime, 'one'));
    await peer.reply('one', { data: 'only' });
    expect(await all).toEqual(['only']);
  });

  it('yields what came, then throws what ended it', async () => {
    const peer = await open();
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const reply of stream(realtime, 'count')) seen.push(reply);
    })();
    const { id } = await peer.receive('count');
    peer.send({ id, data: 1, more: true });
    peer.send({ id, error: { code: 'internal', message: 'broken' } });
    await expect(reading).rejects.toMatchObject({ code: 'internal' });
    expect(seen).toEqual([1]);
  });

  it('fails as "unavailable" when the connection is lost', async () => {
    const peer = await open();
    const all = collect(stream(realtime, 'count'));
    await peer.receive('count');
    peer.cut();
    await expect(all).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('fails as "overloaded" when it is read slower than it arrives', async () => {
    const peer = await open();
    const replies = stream<number>(realtime, 'flood');
    const first = replies.next();
    const { id } = await peer.receive('flood');
    for (let data = 0; data < 300; data += 1) peer.send({ id, data, more: true });
    expect(await first).toMatchObject({ value: 0 });
    peer.send({ event: 'note', data: 'after the flood' });
    await new Promise((resolve) => realtime.on('note', resolve));
    await expect(collect(replies)).rejects.toMatchObject({ code: 'overloaded' });
  });

  it('can be left early', async () => {
    const peer = await open();
    const reading = (async () => {
      for await (const reply of stream(realtime, 'count')) return reply;
      return undefined;
    })();
    const { id } = await peer.receive('count');
    peer.send({ id, data: 1, more: true });
    expect(await reading).toBe(1);
    peer.send({ id, data: 2, more: true });
    realtime.send('next');
    await peer.receive('next');
  });

  it('costs nothing before the first read', async () => {
    stream(realtime, 'count');
    expect(realtime.state.status).toBe('idle');
    const peer = await open();
    realtime.send('next');
    await peer.receive('next');
    expect(peer.events).toEqual(['next']);
  });

  it("refuses names that are not the application's", async () => {
    await expect(stream(realtime, '$history').next()).rejects.toMatchObject({ code: 'invalid' });
    expect(realtime.state.status).toBe('idle');
  });

  it('throws the reason of its signal', async () => {
    const peer = await open();
    const stop = new AbortController();
    const all = collect(stream(realtime, 'count', {}, { signal: stop.signal }));
    await peer.receive('count');
    stop.abort('enough');
    await expect(all).rejects.toBe('enough');
  });
});

import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ScriptedServer, type Frame } from '../test/scripted-server.js';
import { RealtimeClient } from './client.js';

let server: ScriptedServer;
let realtime: RealtimeClient;

beforeEach(async () => {
  server = await ScriptedServer.start();
  realtime = new RealtimeClient(server.url);
  realtime.onError(() => undefined);
  vi.spyOn(Math, 'random').mockReturnValue(0);
});

afterEach(async () => {
  realtime.close();
  vi.restoreAllMocks();
  await server.stop();
});

const channels = Array.from({ length: 40 }, (_, number) => `room:${number}`);
const named = (frames: readonly Frame[], event: string): Frame[] =>
  frames.filter((frame) => frame.event === event);

it('asks for 16 subscriptions at a time, and sends messages after the last was asked', async () => {
  for (const name of channels) realtime.channel(name).on('say', () => undefined);
  realtime.send('waited');
  const peer = await server.connection();
  for (let answered = 0; answered < channels.length; answered += 1) {
    const { id } = await peer.receive('$subscribe');
    expect(named(peer.frames, '$subscribe').length - answered).toBeLessThanOrEqual(16);
    peer.send({ id, data: {} });
  }
  await peer.receive('waited');
  expect(peer.events.indexOf('waited')).toBe(peer.events.lastIndexOf('$subscribe') + 1);
});

it('gives each subscription its time from when it was asked', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  for (const name of channels.slice(0, 17)) realtime.channel(name).on('say', () => undefined);
  const peer = await server.connection();
  const asked = [];
  for (let count = 0; count < 16; count += 1) asked.push(await peer.receive('$subscribe'));
  vi.advanceTimersByTime(9_000);
  for (const { id } of asked) peer.send({ id, data: {} });
  const { id, data } = await peer.receive('$subscribe');
  vi.advanceTimersByTime(9_000);
  peer.send({ id, data: {} });
  const last = realtime.channel(String(data?.['channel']));
  await vi.waitFor(() => expect(last.state.status).toBe('subscribed'));
  vi.useRealTimers();
  expect(named(peer.frames, '$subscribe')).toHaveLength(17);
});

it('sends no faster than a server takes, in order, and loses nothing', async () => {
  realtime.connect();
  const peer = await server.connection();
  await vi.waitFor(() => expect(realtime.state.status).toBe('open'));
  const started = performance.now();
  for (let number = 0; number < 200; number += 1) realtime.send('tick', { number });
  expect(() => {
    for (;;) realtime.send('tock');
  }).toThrow(expect.objectContaining({ code: 'overloaded' }));
  await vi.waitFor(() => expect(named(peer.frames, 'tick')).toHaveLength(200), { timeout: 5_000 });
  expect(performance.now() - started).toBeGreaterThan(900);
  expect(named(peer.frames, 'tick').map(({ data }) => data?.['number'])).toEqual([...Array(200).keys()]);
});

it('keeps what has not left for the next connection, requests included', async () => {
  realtime.connect();
  const peer = await server.connection();
  await vi.waitFor(() => expect(realtime.state.status).toBe('open'));
  for (let number = 0; number < 150; number += 1) realtime.send('tick', { number });
  const reply = realtime.request('last');
  peer.cut();
  const next = await server.connection();
  await next.reply('last', { data: 'here' });
  expect(await reply).toBe('here');
  const kept = named(next.frames, 'tick').map(({ data }) => Number(data?.['number']));
  expect(kept.at(-1)).toBe(149);
  expect(kept).toEqual(Array.from(kept, (_, index) => 150 - kept.length + index));
  expect(kept.length).toBeGreaterThan(10);
});

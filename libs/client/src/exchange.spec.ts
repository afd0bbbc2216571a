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
  vi.useRealTimers();
  vi.restoreAllMocks();
  await server.stop();
});

const channels = Array.from({ length: 40 }, (_, number) => `room:${number}`);
const named = (frames: readonly Frame[], event: string): Frame[] =>
  frames.filter((frame) => frame.event === event);

it('asks for all subscriptions ahead of the messages that waited', async () => {
  for (const name of channels) realtime.channel(name).on('say', () => undefined);
  realtime.send('waited');
  const peer = await server.connection();
  await peer.receive('waited');
  expect(named(peer.frames, '$subscribe')).toHaveLength(channels.length);
  expect(peer.events.at(-1)).toBe('waited');
});

it('asks for them no faster than the server takes, and lets messages wait as long', async () => {
  server.greet = (peer) => peer.welcome({ messages: { perSecond: 100, burst: 20 } });
  for (const name of channels) realtime.channel(name).on('say', () => undefined);
  realtime.send('waited');
  const started = performance.now();
  const peer = await server.connection();
  await peer.receive('waited');
  expect(performance.now() - started).toBeGreaterThan(300);
  expect(peer.events.at(-1)).toBe('waited');
  expect(named(peer.frames, '$subscribe')).toHaveLength(channels.length);
});

it('asks again where a subscription stays without any answer for five minutes, and not where the line is long', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  // Or five minutes of silence would be the end of the connection.
  server.greet = (peer) => peer.welcome({ heartbeat: { intervalMs: 600_000, timeoutMs: 10_000 } });
  realtime.channel('room:1').on('say', () => undefined);
  const peer = await server.connection();
  await peer.receive('$subscribe');
  vi.advanceTimersByTime(299_000);
  expect(peer.events).toEqual(['$subscribe']);
  vi.advanceTimersByTime(1_001);
  vi.advanceTimersByTime(1);
  vi.useRealTimers();
  await peer.reply('$subscribe', { data: {} });
  await vi.waitFor(() => expect(realtime.channel('room:1').state.status).toBe('subscribed'));
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

it('goes on with what waits for its turn when one of its own went ahead', async () => {
  server.greet = (peer) => peer.welcome({ messages: { perSecond: 100, burst: 20 } });
  realtime.connect();
  const peer = await server.connection();
  await vi.waitFor(() => expect(realtime.state.status).toBe('open'));
  for (let number = 0; number < 30; number += 1) realtime.send('tick', { number });
  // Its turn has come, and no timer could see it yet.
  for (const until = performance.now() + 100; performance.now() < until;);
  realtime.channel('room:1').on('say', () => undefined);
  await vi.waitFor(() => expect(named(peer.frames, 'tick')).toHaveLength(30));
  expect(peer.events.indexOf('$subscribe')).toBeLessThan(29);
});

it('lets nothing wait past 256 KiB, and what need not wait leave', async () => {
  server.greet = (peer) => peer.welcome({ maxFrameBytes: 1_000_000 });
  const large = 'x'.repeat(300_000);
  expect(() => realtime.send('large', large)).toThrow(expect.objectContaining({ code: 'overloaded' }));
  realtime.connect();
  const peer = await server.connection();
  await vi.waitFor(() => expect(realtime.state.status).toBe('open'));
  realtime.send('large', large);
  await peer.receive('large');
});

it('keeps what has not left for the next connection, requests included', async () => {
  server.greet = (peer) => peer.welcome({ messages: { perSecond: 1, burst: 200 } });
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

it('keeps what is asked for, for the next connection, where the end of another message is told', async () => {
  server.greet = () => undefined;
  realtime.send('lost');
  const asked = new Promise((resolve, reject) => {
    realtime.onError(() => {
      realtime.connect();
      realtime.request('kept').then(resolve, reject);
    });
  });
  await server.connection();
  server.greet = (peer) => peer.welcome();
  realtime.close();
  await (await server.connection()).reply('kept', { data: 'here' });
  expect(await asked).toBe('here');
});

it('tries again to renew a session where too many requests were under way', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  server.greet = (peer) =>
    peer.welcome({
      expiresAt: Date.now() + 1_000_000,
      heartbeat: { intervalMs: 9_000_000, timeoutMs: 10_000 },
      messages: { perSecond: 10_000, burst: 10_000 },
    });
  const replies: Promise<unknown>[] = [];
  const ask = (): unknown => replies.push(realtime.request('slow', undefined, { timeoutMs: 9_000_000 }));
  const token = (): string => {
    if (replies.length === 999) ask();
    return 'jwt';
  };
  realtime = new RealtimeClient(server.url, { token });
  const opened = new Promise<void>((resolve) => {
    realtime.onState(({ status }) => status === 'open' && resolve());
  });
  const told = new Promise((resolve) => realtime.onError(resolve));
  realtime.connect();
  const peer = await server.connection();
  await peer.receive('$auth');
  await opened;
  for (let count = 1; count < 1_000; count += 1) ask();
  vi.advanceTimersByTime(800_000);
  expect(await told).toMatchObject({ code: 'overloaded' });
  for (let count = 0; count < 1_000; count += 1) await peer.reply('slow', { data: count });
  await Promise.all(replies);
  vi.advanceTimersByTime(160_000);
  await peer.receive('$auth');
});

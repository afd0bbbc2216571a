import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { JSON_CODEC } from './codec.js';
import { createCredentials } from './credentials.js';
import { openTransport, type Transport } from './transport.js';
import type { Dial, WireEvents } from './wire.js';

const heartbeat = { intervalMs: 30_000, timeoutMs: 10_000 };

/** A server that says `$welcome` and what it is told to, and that nobody reaches by a network. */
describe('an open transport', () => {
  const ping = vi.fn();
  const end = vi.fn();
  let timer: ReturnType<typeof setTimeout>;
  const wait = vi.fn((ms: number, then: () => void): void => {
    clearTimeout(timer);
    timer = setTimeout(then, ms);
  });
  let server: WireEvents;
  let transport: Transport;
  const heard = (): void => server.received('{"event":"$pong"}');

  const dial: Dial = (_setup, events) => {
    server = events;
    return { socket: { bufferedAmount: 0, send: ping, close: vi.fn() }, why: vi.fn() };
  };

  async function open(beat = heartbeat): Promise<void> {
    transport = openTransport(
      {
        dial,
        wait,
        webSocket: class {} as never,
        fetch: vi.fn(),
        codec: JSON_CODEC,
        credentials: createCredentials('ws://localhost/ws', {}),
        connectTimeoutMs: 20_000,
        report: vi.fn(),
      },
      { welcome: vi.fn(), frame: vi.fn(), end },
    );
    await vi.advanceTimersByTimeAsync(1);
    const data = { heartbeat: beat, maxFrameBytes: 65_536 };
    server.received(JSON.stringify({ event: '$welcome', data }));
  }

  beforeEach(() => {
    vi.useFakeTimers();
    ping.mockReset();
    end.mockReset();
  });
  afterEach(() => {
    clearTimeout(timer);
    vi.restoreAllMocks();
    vi.useRealTimers();
  });

  it('pings after an interval of silence and gives up a timeout later', async () => {
    await open();
    vi.advanceTimersByTime(30_000);
    expect(ping.mock.calls).toEqual([['{"event":"$ping"}']]);
    vi.advanceTimersByTime(9_999);
    expect(end).not.toHaveBeenCalled();
    vi.advanceTimersByTime(2);
    expect(end).toHaveBeenCalledTimes(1);
    expect(end).toHaveBeenCalledWith(expect.objectContaining({ code: 1006, reason: 'no answer' }));
  });

  it('was open, however short by the clock', async () => {
    await open();
    server.closed({ code: 4401, reason: 'session ended' });
    const [[{ openMs }]] = end.mock.calls as [[{ openMs: number }]];
    expect(openMs).toBeGreaterThan(0);
  });

  it('lets frames that waited behind a stalled loop arrive first', async () => {
    await open();
    vi.advanceTimersByTime(40_000);
    heard();
    vi.advanceTimersByTime(29_000);
    expect(end).not.toHaveBeenCalled();
  });

  it.each([
    ['any frame', heard],
    ['what is no frame, too,', () => server.received()],
  ])('takes %s for a sign of life', async (_, live) => {
    await open();
    for (let count = 0; count < 10; count += 1) {
      vi.advanceTimersByTime(29_000);
      live();
    }
    expect(ping).not.toHaveBeenCalled();
    vi.advanceTimersByTime(31_000);
    live();
    vi.advanceTimersByTime(29_000);
    expect(ping).toHaveBeenCalledTimes(1);
    expect(end).not.toHaveBeenCalled();
  });

  it('asks once, and gives up, where the server named no heartbeat', async () => {
    await open({} as typeof heartbeat);
    vi.advanceTimersByTime(1_000);
    expect(ping).toHaveBeenCalledTimes(1);
    expect(end).toHaveBeenCalledTimes(1);
  });

  it('arms no timer for a frame, as there may be thousands a second', async () => {
    await open();
    wait.mockClear();
    for (let count = 0; count < 100; count += 1) heard();
    expect(wait).not.toHaveBeenCalled();
  });

  it.each([10_000, 1_000])(
    'asks at once when it is told to look, and gives up 5 s later, or after a shorter timeout: %i',
    async (timeoutMs) => {
      await open({ intervalMs: 30_000, timeoutMs });
      transport.probe();
      expect(ping).toHaveBeenCalledTimes(1);
      vi.advanceTimersByTime(Math.min(timeoutMs, 5_000) - 1);
      expect(end).not.toHaveBeenCalled();
      vi.advanceTimersByTime(2);
      expect(end).toHaveBeenCalledTimes(1);
    },
  );

  it('gives up no later for being told to look again', async () => {
    await open();
    for (let second = 0; second < 6; second += 1) {
      transport.probe();
      vi.advanceTimersByTime(1_000);
    }
    expect(ping).toHaveBeenCalledTimes(1);
    expect(end).toHaveBeenCalledTimes(1);
  });

  it('looks again where an answer is long overdue: the machine may have slept', async () => {
    await open();
    vi.advanceTimersByTime(30_000);
    const now = performance.now.bind(performance);
    vi.spyOn(performance, 'now').mockImplementation(() => now() + 3_600_000);
    transport.probe();
    heard();
    vi.advanceTimersByTime(29_000);
    expect(ping).toHaveBeenCalledTimes(2);
    expect(end).not.toHaveBeenCalled();
  });

  it('waits for one thing at a time, and for nothing once it was given up', async () => {
    await open();
    transport.probe();
    heard();
    transport.probe();
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(5_001);
    heard();
    expect(vi.getTimerCount()).toBe(0);
  });
});

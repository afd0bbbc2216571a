import type { Welcome } from '@aerie/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { renewSession } from './session-renewal.js';

const DAY = 86_400_000;

describe('session renewal', () => {
  const renew = vi.fn<() => Promise<number | null>>();
  const report = vi.fn();
  let stop: () => void;

  function start(expiresAt: number | null, serverTime?: number): void {
    const stopped = Promise.withResolvers<void>();
    let isStopped = false;
    let timer: ReturnType<typeof setTimeout>;
    stop = () => {
      isStopped = true;
      clearTimeout(timer);
      stopped.resolve();
    };
    const pause = (ms: number): Promise<void> => {
      const passed = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
      return Promise.race([stopped.promise, passed]);
    };
    const welcome = { expiresAt, ...(serverTime !== undefined && { serverTime }) } as Welcome;
    const line = { welcome: () => (isStopped ? undefined : welcome) };
    void renewSession(welcome, { line, exchange: { pause }, report }, renew);
  }

  beforeEach(() => {
    vi.useFakeTimers();
    renew.mockReset().mockResolvedValue(null);
    report.mockReset();
  });
  afterEach(() => {
    stop();
    vi.useRealTimers();
  });

  it('renews at 80 % of the life that is left, and again at 80 % of the next', async () => {
    renew.mockImplementationOnce(() => Promise.resolve(Date.now() + 200_000));
    start(Date.now() + 100_000);
    await vi.advanceTimersByTimeAsync(79_999);
    expect(renew).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(renew).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(159_999);
    expect(renew).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(renew).toHaveBeenCalledTimes(2);
  });

  it.each([3_600_000, -3_600_000])('goes by the clock of the server, %i ms off', async (ahead) => {
    renew.mockImplementationOnce(() => Promise.resolve(Date.now() + ahead + 50_000));
    start(Date.now() + ahead + 100_000, Date.now() + ahead);
    await vi.advanceTimersByTimeAsync(79_999);
    expect(renew).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(renew).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(40_000);
    expect(renew).toHaveBeenCalledTimes(2);
  });

  it('does nothing in a loop where the end is past by the only clock it has', async () => {
    start(Date.now() - 3_600_000);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(renew).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('renews a session longer than a timer can be once in as long as one can be', async () => {
    renew.mockImplementation(() => Promise.resolve(Date.now() + 100 * DAY));
    start(Date.now() + 100 * DAY);
    await vi.advanceTimersByTimeAsync(24 * DAY);
    expect(renew).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(DAY);
    expect(renew).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(24 * DAY);
    expect(renew).toHaveBeenCalledTimes(1);
  });

  it('tries again, ever closer to the end, and never after it', async () => {
    const failure = new Error('no token');
    renew.mockRejectedValue(failure);
    start(Date.now() + 100_000);
    await vi.advanceTimersByTimeAsync(80_000);
    expect(renew).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(16_000);
    expect(renew).toHaveBeenCalledTimes(2);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(renew.mock.calls.length).toBeLessThan(8);
    expect(report).toHaveBeenCalledWith(failure);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leaves no timer when it is stopped, not even after a renewal under way', async () => {
    start(Date.now() + 10_000);
    renew.mockImplementation(
      () => new Promise((resolve) => setTimeout(() => resolve(Date.now() + 10_000), 100)),
    );
    await vi.advanceTimersByTimeAsync(8_050);
    stop();
    await vi.advanceTimersByTimeAsync(100);
    expect(renew).toHaveBeenCalledTimes(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leaves a session without an end alone', () => {
    start(null);
    expect(vi.getTimerCount()).toBe(0);
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { watchLiveness } from './liveness.js';

const heartbeat = { intervalMs: 30_000, timeoutMs: 10_000 };

describe('liveness', () => {
  const ping = vi.fn();
  const dead = vi.fn();

  beforeEach(() => {
    vi.useFakeTimers();
    ping.mockReset();
    dead.mockReset();
  });
  afterEach(() => vi.useRealTimers());

  it('pings after an interval of silence and gives up a timeout later', () => {
    const liveness = watchLiveness(heartbeat, { ping, dead });
    vi.advanceTimersByTime(30_000);
    expect(ping).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(9_999);
    expect(dead).not.toHaveBeenCalled();
    vi.advanceTimersByTime(2);
    expect(dead).toHaveBeenCalledTimes(1);
    liveness.stop();
  });

  it('lets frames that waited behind a stalled loop arrive first', () => {
    const liveness = watchLiveness(heartbeat, { ping, dead });
    vi.advanceTimersByTime(40_000);
    liveness.heard();
    vi.advanceTimersByTime(29_000);
    expect(dead).not.toHaveBeenCalled();
    liveness.stop();
  });

  it('takes any frame for a sign of life', () => {
    const liveness = watchLiveness(heartbeat, { ping, dead });
    for (let count = 0; count < 10; count += 1) {
      vi.advanceTimersByTime(29_000);
      liveness.heard();
    }
    expect(ping).not.toHaveBeenCalled();
    vi.advanceTimersByTime(31_000);
    liveness.heard();
    vi.advanceTimersByTime(29_000);
    expect(ping).toHaveBeenCalledTimes(1);
    expect(dead).not.toHaveBeenCalled();
    liveness.stop();
  });

  it('asks at once when it is told to look, and gives up 5 s later, or after a shorter timeout', () => {
    for (const timeoutMs of [10_000, 1_000]) {
      const liveness = watchLiveness({ intervalMs: 30_000, timeoutMs }, { ping, dead });
      ping.mockReset();
      dead.mockReset();
      liveness.probe();
      expect(ping).toHaveBeenCalledTimes(1);
      vi.advanceTimersByTime(Math.min(timeoutMs, 5_000) - 1);
      expect(dead).not.toHaveBeenCalled();
      vi.advanceTimersByTime(2);
      expect(dead).toHaveBeenCalledTimes(1);
      liveness.stop();
    }
  });

  it('gives up no later for being told to look again', () => {
    const liveness = watchLiveness(heartbeat, { ping, dead });
    for (let second = 0; second < 6; second += 1) {
      liveness.probe();
      vi.advanceTimersByTime(1_000);
    }
    expect(ping).toHaveBeenCalledTimes(1);
    expect(dead).toHaveBeenCalledTimes(1);
    liveness.stop();
  });

  it('looks again where an answer is long overdue: the machine may have slept', () => {
    const liveness = watchLiveness(heartbeat, { ping, dead });
    vi.advanceTimersByTime(30_000);
    vi.setSystemTime(Date.now() + 3_600_000);
    liveness.probe();
    liveness.heard();
    vi.advanceTimersByTime(29_000);
    expect(ping).toHaveBeenCalledTimes(2);
    expect(dead).not.toHaveBeenCalled();
    liveness.stop();
  });

  it('leaves no timer when it is stopped', () => {
    watchLiveness(heartbeat, { ping, dead }).stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});

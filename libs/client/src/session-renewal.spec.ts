import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SessionRenewal } from './session-renewal.js';

const DAY = 86_400_000;

describe('session renewal', () => {
  const renew = vi.fn<() => Promise<number | null>>();
  const report = vi.fn();
  let renewal: SessionRenewal;

  beforeEach(() => {
    vi.useFakeTimers();
    renew.mockReset().mockResolvedValue(null);
    report.mockReset();
    renewal = new SessionRenewal({ renew, report });
  });
  afterEach(() => vi.useRealTimers());

  it('renews at 80 % of the life that is left, and again at 80 % of the next', async () => {
    renew.mockImplementationOnce(() => Promise.resolve(Date.now() + 200_000));
    renewal.start(Date.now() + 100_000);
    await vi.advanceTimersByTimeAsync(79_999);
    expect(renew).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(renew).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(159_999);
    expect(renew).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(renew).toHaveBeenCalledTimes(2);
  });

  it('goes by the clock of the server', async () => {
    const ahead = 3_600_000;
    renewal.start(Date.now() + ahead + 100_000);
    renewal.synchronize(Date.now() + ahead);
    await vi.advanceTimersByTimeAsync(79_999);
    expect(renew).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(renew).toHaveBeenCalledTimes(1);
  });

  it('does not drift when the clock is told again and again', async () => {
    renewal.start(Date.now() + 100_000);
    for (let count = 0; count < 8; count += 1) {
      await vi.advanceTimersByTimeAsync(10_000);
      renewal.synchronize(Date.now());
    }
    await vi.advanceTimersByTimeAsync(1);
    expect(renew).toHaveBeenCalledTimes(1);
  });

  it('does nothing in a loop while its own clock is far ahead', async () => {
    renewal.start(Date.now() - 3_600_000);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(renew).not.toHaveBeenCalled();
    renewal.synchronize(Date.now() - 3_600_000 - 160_000);
    await vi.advanceTimersByTimeAsync(80_000);
    expect(renew).toHaveBeenCalledTimes(1);
  });

  it('waits for a session longer than a timer can be', async () => {
    renewal.start(Date.now() + 100 * DAY);
    await vi.advanceTimersByTimeAsync(80 * DAY - 1);
    expect(renew).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(renew).toHaveBeenCalledTimes(1);
  });

  it('tries again, ever closer to the end, and never after it', async () => {
    const failure = new Error('no token');
    renew.mockRejectedValue(failure);
    renewal.start(Date.now() + 100_000);
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
    renewal.start(Date.now() + 10_000);
    renew.mockImplementation(
      () => new Promise((resolve) => setTimeout(() => resolve(Date.now() + 10_000), 100)),
    );
    await vi.advanceTimersByTimeAsync(8_050);
    renewal.stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(renew).toHaveBeenCalledTimes(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leaves a session without an end alone', () => {
    renewal.start(null);
    expect(vi.getTimerCount()).toBe(0);
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createPace, type MessageRate, type Pace } from './pace.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function paceOf(rate?: MessageRate): Pace {
  const pace = createPace();
  pace.opened(rate);
  return pace;
}

/** How many may leave right now. */
function burst(pace: Pace): number {
  let count = 0;
  while (pace.take() === 0) count += 1;
  return count;
}

/** How many leave in ten seconds of sending whatever may leave. */
function inTenSeconds(pace: Pace): number {
  let count = 0;
  for (let ms = 0; ms < 10_000; ms += 10) {
    vi.advanceTimersByTime(10);
    count += burst(pace);
  }
  return count;
}

describe('the pace', () => {
  it('is 120 at once, then 80 a second, where the server says nothing', () => {
    const pace = paceOf();
    expect(burst(pace)).toBe(120);
    expect(inTenSeconds(pace)).toBe(800);
  });

  it.each([
    { perSecond: 10, burst: 20 },
    { perSecond: 1, burst: 1 },
    { perSecond: 5_000, burst: 10_000 },
  ])('stays below what the server takes: %o', (rate) => {
    const pace = paceOf(rate);
    const atOnce = burst(pace);
    expect(atOnce).toBeGreaterThanOrEqual(1);
    expect(atOnce).toBeLessThanOrEqual(rate.burst);
    expect(atOnce + inTenSeconds(pace)).toBeLessThanOrEqual(rate.burst + 10 * rate.perSecond);
  });

  it('tells when the next may leave', () => {
    const pace = paceOf();
    burst(pace);
    vi.advanceTimersByTime(pace.take());
    expect(pace.take()).toBe(0);
  });

  it('begins anew with each connection', () => {
    const pace = paceOf();
    burst(pace);
    pace.opened({ perSecond: 100, burst: 50 });
    expect(burst(pace)).toBe(30);
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Pace } from './pace.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

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

function closeAfter(pace: Pace, openMs: number, code: number): void {
  pace.opened();
  vi.advanceTimersByTime(openMs);
  pace.closed(code);
  pace.opened();
}

describe('the pace', () => {
  it('is 120 at once, then 80 a second', () => {
    const pace = new Pace();
    expect(burst(pace)).toBe(120);
    expect(inTenSeconds(pace)).toBe(800);
  });

  it('tells when the next may leave', () => {
    const pace = new Pace();
    burst(pace);
    vi.advanceTimersByTime(pace.take());
    expect(pace.take()).toBe(0);
  });

  it('begins anew with each connection', () => {
    const pace = new Pace();
    burst(pace);
    pace.opened();
    expect(burst(pace)).toBe(120);
  });

  it('halves with each close for the rate, and never ends', () => {
    const pace = new Pace();
    closeAfter(pace, 1_000, 4429);
    expect(burst(pace)).toBe(60);
    for (let closes = 0; closes < 20; closes += 1) closeAfter(pace, 20_000, 4429);
    burst(pace);
    expect(Math.round(inTenSeconds(pace) / 10)).toBe(1);
  });

  it('doubles again, up to what it was, after connections that lasted and ended otherwise', () => {
    const pace = new Pace();
    closeAfter(pace, 1_000, 4429);
    closeAfter(pace, 1_000, 1001);
    expect(burst(pace)).toBe(60);
    for (let closes = 0; closes < 3; closes += 1) closeAfter(pace, 20_000, 1001);
    expect(burst(pace)).toBe(120);
  });
});

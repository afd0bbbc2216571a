import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Checked, CheckRounds } from './check-rounds.js';
import { BackplaneUnavailable } from './publishing/backplane.js';

class Channel implements Checked {
  active = false;
  isReady = true;
  isStuck = false;
  checks = 0;
  /** What a check comes to. */
  outcome: () => Promise<void> = () => Promise.resolve();

  check(): Promise<void> {
    this.checks += 1;
    return this.outcome();
  }
}

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const away = (): Promise<void> => Promise.reject(new BackplaneUnavailable('away'));

function setUp(count = 1) {
  const rounds = new CheckRounds('Test');
  const channels = Array.from({ length: count }, () => new Channel());
  for (const channel of channels) rounds.add(channel);
  const [channel = new Channel()] = channels;
  return { rounds, channels, channel };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Logger.prototype, 'warn').mockReturnValue(undefined);
  vi.spyOn(Logger.prototype, 'error').mockReturnValue(undefined);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe('the rounds of a node', () => {
  it('check what was silent for 40 s, and then every 40 s', async () => {
    const { channel } = setUp();
    await pass(29_000);
    expect(channel.checks).toBe(0);
    await pass(12_000);
    expect(channel.checks).toBe(1);
    await pass(41_000);
    expect(channel.checks).toBe(2);
  });

  it('do not check what is heard of', async () => {
    const { channel } = setUp();
    for (let n = 0; n < 10; n += 1) {
      await pass(20_000);
      channel.active = true;
    }
    expect(channel.checks).toBe(0);
  });

  it('check everything within a second of a gap, more than a batch too, and each once', async () => {
    const { rounds, channels } = setUp(1_200);
    for (const channel of channels) channel.active = true;
    rounds.gap();
    await pass(1_500);
    expect(new Set(channels.map(({ checks }) => checks))).toEqual(new Set([1]));
  });

  it('check again what was being checked when the gap came', async () => {
    const { rounds, channel } = setUp();
    const { promise, resolve } = Promise.withResolvers<undefined>();
    channel.outcome = () => promise.then(() => undefined);
    rounds.gap();
    await pass(1_500);
    rounds.gap();
    resolve(undefined);
    await pass(2_000);
    expect(channel.checks).toBe(2);
  });

  it('wait for what is not ready, and check it then', async () => {
    const { rounds, channel } = setUp();
    channel.isReady = false;
    rounds.gap();
    await pass(10_000);
    expect(channel.checks).toBe(0);
    channel.isReady = true;
    await pass(500);
    expect(channel.checks).toBe(1);
  });

  it('check soon what is known to lack something, heard of or not', async () => {
    const { channel } = setUp();
    channel.isStuck = true;
    channel.active = true;
    await pass(2_500);
    expect(channel.checks).toBeGreaterThan(0);
  });

  it('try again every one to two seconds, not all at once, what could not be checked, and say so once', async () => {
    const { rounds, channels } = setUp(100);
    for (const channel of channels) channel.outcome = away;
    rounds.gap();
    await pass(20_000);
    const tries = channels.map(({ checks }) => checks);
    expect(Math.min(...tries)).toBeGreaterThanOrEqual(8);
    expect(Math.max(...tries)).toBeLessThanOrEqual(20);
    expect(new Set(tries).size).toBeGreaterThan(1);
    expect(Logger.prototype.warn).toHaveBeenCalledTimes(1);
    for (const channel of channels) channel.outcome = () => Promise.resolve();
    await pass(3_000);
    expect(new Set(channels.map(({ checks }, index) => checks - (tries[index] ?? 0)))).toEqual(new Set([1]));
  });

  it('tell of a fault that is none of the store, and go on', async () => {
    const { rounds, channel } = setUp();
    channel.outcome = () => Promise.reject(new TypeError('a bug'));
    rounds.gap();
    await pass(10_000);
    expect(Logger.prototype.error).toHaveBeenCalled();
    expect(channel.checks).toBeGreaterThan(1);
  });

  it('forget what is removed, while it is checked too, and end with the last of it', async () => {
    const { rounds, channel } = setUp();
    const { promise, resolve } = Promise.withResolvers<undefined>();
    channel.outcome = () => promise.then(() => undefined);
    rounds.gap();
    await pass(1_500);
    expect(channel.checks).toBe(1);
    rounds.remove(channel);
    resolve(undefined);
    await pass(100_000);
    expect([channel.checks, vi.getTimerCount()]).toEqual([1, 0]);
    rounds.add(new Channel());
    expect(vi.getTimerCount()).toBe(1);
  });
});

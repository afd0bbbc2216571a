import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { BackplaneHealth } from '../publishing/backplane.js';
import { BackplaneWatch } from './backplane-watch.js';

const UP: BackplaneHealth = { up: true, roundTripMs: 3 };
const AWAY: BackplaneHealth = { up: false, reason: 'timeout' };

class FakeBackplane {
  readonly name = 'redis';
  readonly shared = true;
  health: BackplaneHealth | Error = UP;
  probes = 0;
  probe(): Promise<BackplaneHealth> {
    this.probes += 1;
    return this.health instanceof Error ? Promise.reject(this.health) : Promise.resolve(this.health);
  }
}

describe('BackplaneWatch', () => {
  let backplane: FakeBackplane;
  let watch: BackplaneWatch;

  beforeEach(() => {
    vi.useFakeTimers();
    backplane = new FakeBackplane();
    watch = new BackplaneWatch(backplane);
  });

  afterEach(() => {
    watch.onApplicationShutdown();
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  async function afterProbe(health: BackplaneHealth | Error): Promise<boolean> {
    backplane.health = health;
    await vi.advanceTimersByTimeAsync(5_000);
    return watch.status.up;
  }

  it('is up as soon as the first probe has passed', async () => {
    expect(watch.status).toEqual({ name: 'redis', shared: true, up: false, reason: 'not probed yet' });
    await watch.onApplicationBootstrap();
    expect(watch.status).toEqual({ name: 'redis', shared: true, up: true, roundTripMs: 3 });
  });

  it('stays down at boot until a probe passes', async () => {
    backplane.health = AWAY;
    await watch.onApplicationBootstrap();
    expect(watch.status.up).toBe(false);
    expect(await afterProbe(UP)).toBe(true);
  });

  it('falls at the second failure in a row, not at the first', async () => {
    await watch.onApplicationBootstrap();
    expect(await afterProbe(AWAY)).toBe(true);
    expect(await afterProbe(UP)).toBe(true);
    expect(await afterProbe(AWAY)).toBe(true);
    expect(await afterProbe(AWAY)).toBe(false);
    expect(watch.status.reason).toBe('timeout');
  });

  it('takes a probe that throws for a failure', async () => {
    await watch.onApplicationBootstrap();
    await afterProbe(new Error('no connection'));
    expect(await afterProbe(new Error('no connection'))).toBe(false);
    expect(watch.status.reason).toBe('no connection');
  });

  it('returns after two passes and at most 5 s more', async () => {
    await watch.onApplicationBootstrap();
    await afterProbe(AWAY);
    await afterProbe(AWAY);
    expect(await afterProbe(UP)).toBe(false);
    await afterProbe(UP);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(watch.status.up).toBe(true);
  });

  it('does not return when a probe fails meanwhile', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.9999);
    watch = new BackplaneWatch(backplane, { returnJitterMs: 8_000 });
    await watch.onApplicationBootstrap();
    for (const health of [AWAY, AWAY, UP, UP, AWAY]) await afterProbe(health);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(watch.status.up).toBe(false);
    vi.restoreAllMocks();
  });

  it('probes no more once the application has shut down', async () => {
    await watch.onApplicationBootstrap();
    watch.onApplicationShutdown();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(backplane.probes).toBe(1);
  });
});

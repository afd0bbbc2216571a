import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as setTimeoutPromise } from 'node:timers/promises';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Heartbeat, type HeartbeatOptions, type Pulse } from './heartbeat.js';

const INTERVAL_MS = 30_000;
const TIMEOUT_MS = 10_000;
const TICK_MS = 1_000;

/** A peer that answers pings after `answersInMs`; undefined: never. */
class Peer implements Pulse {
  lastSignAt = 0;
  pingedAt = 0;
  slot = -1;
  takenAtPing = -1;
  blocked = false;
  taken = 0;
  paused = false;
  readonly pings: number[] = [];
  diedAt: number | undefined;

  constructor(public answersInMs?: number) {}

  ping(): void {
    this.pings.push(performance.now());
    if (this.answersInMs !== undefined) setTimeout(() => this.sign(), this.answersInMs);
  }

  sign(): void {
    if (this.diedAt === undefined) this.lastSignAt = performance.now();
  }

  dead(): void {
    this.diedAt = performance.now();
  }
}

let heartbeat: Heartbeat;

function watch(peer: Peer, options: Partial<HeartbeatOptions> = {}): Peer {
  heartbeat = new Heartbeat({ intervalMs: INTERVAL_MS, timeoutMs: TIMEOUT_MS, ...options });
  heartbeat.add(peer);
  return peer;
}

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

/** The event loop stands still: the clock goes on, and the next tick comes late. */
function stall(ms: number): void {
  const before = performance.now.bind(performance);
  performance.now = () => before() + ms;
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  heartbeat.close();
  vi.useRealTimers();
});

describe('a heartbeat', () => {
  it('pings a peer at its last sign + interval - 1 s, give or take a tick', async () => {
    const peer = watch(new Peer(50));
    await pass(1_234);
    peer.sign();
    const signAt = peer.lastSignAt;
    await pass(INTERVAL_MS);
    const [pingedAt = 0] = peer.pings;
    expect(pingedAt - signAt).toBeLessThanOrEqual(INTERVAL_MS - TICK_MS);
    expect(pingedAt - signAt).toBeGreaterThan(INTERVAL_MS - 3 * TICK_MS);
  });

  it('gives a peer up within interval + timeout of its last sign, after the whole timeout', async () => {
    const peer = watch(new Peer());
    await pass(777);
    peer.sign();
    const signAt = peer.lastSignAt;
    await pass(INTERVAL_MS + TIMEOUT_MS);
    expect(peer.diedAt).toBeDefined();
    expect(peer.diedAt ?? 0).toBeLessThanOrEqual(signAt + INTERVAL_MS + TIMEOUT_MS);
    expect((peer.diedAt ?? 0) - (peer.pings[0] ?? 0)).toBeGreaterThanOrEqual(TIMEOUT_MS - 50);
    expect(heartbeat.size).toBe(0);
  });

  it('waits the whole timeout where that is no number of whole seconds', async () => {
    const peer = watch(new Peer(1_400), { intervalMs: 3_000, timeoutMs: 1_500 });
    await pass(60_000);
    expect(peer.diedAt).toBeUndefined();
  });

  it('takes any inbound byte for life, answer or not', async () => {
    const peer = watch(new Peer());
    peer.sign();
    const talking = setInterval(() => peer.sign(), 25_000);
    await pass(600_000);
    clearInterval(talking);
    expect([peer.diedAt, peer.pings.length]).toEqual([undefined, 0]);
  });

  it('takes a blocked socket that drains for alive', async () => {
    const peer = watch(new Peer());
    peer.blocked = true;
    const draining = setInterval(() => (peer.taken += 1), 5_000);
    await pass(300_000);
    expect(peer.diedAt).toBeUndefined();
    clearInterval(draining);
    await pass(INTERVAL_MS + TIMEOUT_MS + TICK_MS);
    expect(peer.diedAt).toBeDefined();
  });

  it('takes one for alive, too, that is blocked only after its ping and then drains', async () => {
    const peer = watch(new Peer());
    peer.sign();
    await pass(INTERVAL_MS);
    expect(peer.pings.length).toBe(1);
    peer.blocked = true;
    const draining = setInterval(() => (peer.taken += 1), 2_000);
    await pass(300_000);
    clearInterval(draining);
    expect(peer.diedAt).toBeUndefined();
  });

  it('takes bytes that the kernel merely accepted for nothing', async () => {
    const peer = watch(new Peer());
    const writing = setInterval(() => (peer.taken += 1), 1_000);
    await pass(INTERVAL_MS + TIMEOUT_MS);
    clearInterval(writing);
    expect(peer.diedAt).toBeDefined();
  });

  it('stands still for a peer that is not being read, and counts anew afterwards', async () => {
    const peer = watch(new Peer());
    peer.paused = true;
    await pass(300_000);
    expect(peer.diedAt).toBeUndefined();
    peer.paused = false;
    const resumedAt = performance.now();
    await pass(INTERVAL_MS + TIMEOUT_MS + TICK_MS);
    expect(peer.diedAt ?? 0).toBeGreaterThan(resumedAt + TIMEOUT_MS);
  });

  it('spreads the first pings of a wave of connects over half the interval', async () => {
    heartbeat = new Heartbeat({ intervalMs: INTERVAL_MS, timeoutMs: TIMEOUT_MS });
    const peers = Array.from({ length: 1_000 }, () => new Peer(10));
    for (const peer of peers) heartbeat.add(peer);
    await pass(INTERVAL_MS);
    const first = peers.map(({ pings }) => pings[0] ?? Infinity);
    const perSecond = Map.groupBy(first, (at) => Math.floor(at / TICK_MS));
    expect(Math.max(...first)).toBeLessThan(Infinity);
    expect(Math.max(...[...perSecond.values()].map(({ length }) => length))).toBeLessThan(150);
  });

  it('forgets a peer that was removed, and stops its timer with the last one', async () => {
    const peer = watch(new Peer());
    const other = new Peer();
    heartbeat.add(other);
    heartbeat.remove(peer);
    heartbeat.remove(peer);
    expect(heartbeat.size).toBe(1);
    heartbeat.remove(other);
    expect([heartbeat.size, vi.getTimerCount()]).toEqual([0, 0]);
    await pass(120_000);
    expect([peer.diedAt, other.diedAt]).toEqual([undefined, undefined]);
  });

  it('goes on after it had nobody to watch', async () => {
    const peer = watch(new Peer());
    heartbeat.remove(peer);
    await pass(500_000);
    const next = new Peer();
    heartbeat.add(next);
    await pass(INTERVAL_MS + TIMEOUT_MS);
    expect(next.diedAt).toBeDefined();
  });
});

describe('a stalled event loop', () => {
  it('kills nobody: a late tick starts every deadline anew', async () => {
    const peer = watch(new Peer());
    peer.sign();
    await pass(INTERVAL_MS);
    expect(peer.pings.length).toBe(1);
    stall(15_000);
    await pass(TICK_MS);
    expect(peer.diedAt).toBeUndefined();
    peer.sign();
    await pass(INTERVAL_MS - TICK_MS);
    expect(peer.diedAt).toBeUndefined();
  });

  it('still finds the dead afterwards', async () => {
    const peer = watch(new Peer());
    peer.sign();
    await pass(INTERVAL_MS);
    stall(15_000);
    await pass(TIMEOUT_MS + 2 * TICK_MS);
    expect(peer.diedAt).toBeDefined();
  });

  it('reads what has arrived before it judges, also after a stall too short to start anew', async () => {
    vi.useRealTimers();
    const { near, far, close } = await socketPair();
    const peer = new Peer();
    near.on('data', () => peer.sign());
    heartbeat = new Heartbeat({ intervalMs: 1_000, timeoutMs: 2_000 });
    heartbeat.add(peer);
    await vi.waitUntil(() => peer.pings.length > 0, { timeout: 5_000, interval: 10 });
    await setTimeoutPromise(1_700);
    far.write('x');
    blockLoop(600);
    await setTimeoutPromise(100);
    expect(peer.diedAt).toBeUndefined();
    await close();
  });
});

async function socketPair() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const far = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [near] = (await once(server, 'connection')) as [Socket];
  const close = async (): Promise<void> => {
    far.destroy();
    near.destroy();
    server.close();
    await once(server, 'close');
  };
  return { near, far, close };
}

function blockLoop(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

describe('over any traffic', () => {
  it('no peer that answers in time is given up, and every silent one is, in time', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 3, max: 40 }),
        fc.integer({ min: 1_000, max: 12_000 }),
        fc.array(
          fc.record({
            answersInMs: fc.nat({ max: 100 }),
            silentAfterMs: fc.option(fc.nat({ max: 120_000 })),
            talks: fc.array(fc.nat({ max: 120_000 }), { maxLength: 5 }),
          }),
          { minLength: 1, maxLength: 20 },
        ),
        async (intervalSeconds, timeoutMs, plans) => {
          const intervalMs = intervalSeconds * 1_000;
          heartbeat = new Heartbeat({ intervalMs, timeoutMs });
          const startAt = performance.now();
          const peers = plans.map(({ answersInMs, silentAfterMs, talks }) => {
            const peer = new Peer((answersInMs / 100) * (timeoutMs - 100));
            heartbeat.add(peer);
            const silentAt = silentAfterMs === null ? Infinity : silentAfterMs;
            for (const at of talks) if (at < silentAt) setTimeout(() => peer.sign(), at);
            if (silentAfterMs !== null)
              setTimeout(() => {
                delete peer.answersInMs;
              }, silentAfterMs);
            return { peer, silentAfterMs };
          });
          await pass(120_000 + intervalMs + 2 * timeoutMs + TICK_MS);
          for (const { peer, silentAfterMs } of peers) {
            if (silentAfterMs === null) expect(peer.diedAt).toBeUndefined();
            else {
              const lastSignAt = Math.max(peer.lastSignAt, startAt);
              expect(peer.diedAt ?? Infinity).toBeLessThanOrEqual(
                lastSignAt + intervalMs + timeoutMs + TICK_MS,
              );
            }
          }
          heartbeat.close();
          vi.clearAllTimers();
        },
      ),
      { numRuns: 25 },
    ));
});

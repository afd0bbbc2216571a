import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { openClient, probeUpgrade, type TestClient } from '@aerie/realtime/testing';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type RunningGateway, startGateway, tokenFor } from './support/gateway.js';

const DRAIN = fileURLToPath(new URL('../apps/gateway/drain.ts', import.meta.url));
const SOURCES = fileURLToPath(new URL('support/typescript-sources.mjs', import.meta.url));
/** `npm run test:load` drains as many as a real node has, in the window of a real node. */
const FULL = process.env['AERIE_LOAD'] === 'full';
const CONNECTIONS = FULL ? 3_000 : 400;
const WINDOW_MS = FULL ? 30_000 : 4_000;
const FIRST_SLOT_MS = Math.min(5_000, WINDOW_MS / 4);
const LAST_SLOT_MS = 0.9 * WINDOW_MS;
/** The pace of the closing, the goodbye, and two cores shared with the clients. */
const SLACK_MS = 500;
const PARTS = 10;

/** What one client saw of the drain. Milliseconds since the signal. */
interface Farewell {
  readonly toldAt: number;
  readonly afterMs: number;
  readonly closedAt: number;
  readonly code: number;
  readonly reason: string;
}

describe('a drain', () => {
  let gateway: RunningGateway | undefined;
  const clients: TestClient[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) client.socket.terminate();
    await gateway?.stop();
  });

  async function start(env: Readonly<Record<string, string>> = {}): Promise<RunningGateway> {
    gateway = await startGateway({ DRAIN_WINDOW_MS: String(WINDOW_MS), ...env });
    return gateway;
  }

  async function join(running: RunningGateway, user: string): Promise<TestClient> {
    const client = await openClient(running.ws(), { token: tokenFor(user) });
    clients.push(client);
    await client.frame('$welcome', 30_000);
    return client;
  }

  async function crowd(running: RunningGateway, size: number): Promise<TestClient[]> {
    const joined: TestClient[] = [];
    while (joined.length < size) {
      const wave = Array.from({ length: Math.min(100, size - joined.length) }, (_, index) =>
        join(running, `user-${joined.length + index}`),
      );
      joined.push(...(await Promise.all(wave)));
    }
    return joined;
  }

  it(
    `tells ${CONNECTIONS} connections when to come back and closes each in its slot`,
    { timeout: WINDOW_MS + 60_000 },
    async () => {
      const running = await start();
      const joined = await crowd(running, CONNECTIONS);
      const silent = await openClient(running.ws());
      const deaf = joined.pop();
      deaf?.socket.pause();
      const signalledAt = performance.now();
      running.child.kill('SIGTERM');
      const exited = exitOf(running);
      const unauthenticated = silent.closed.then((end) => ({ ...end, at: performance.now() - signalledAt }));
      const farewells = joined.map((client) => farewellOf(client, signalledAt));

      await vi.waitFor(async () => expect((await probeUpgrade(running.ws())).status).toBe(503), 3_000);
      const refused = await probeUpgrade(running.ws(), { token: tokenFor('late') });
      expect(refused).toMatchObject({
        status: 503,
        headers: { 'retry-after': '1', connection: 'close' },
        body: { error: { code: 'draining' } },
      });
      expect((await fetch(`${running.url}/health/ready`)).status).toBe(503);
      expect((await fetch(`${running.url}/health/live`)).status).toBe(200);

      const seen = await Promise.all(farewells);
      for (const { code, reason, toldAt, afterMs, closedAt } of seen) {
        expect({ code, reason }).toEqual({ code: 1001, reason: 'going away' });
        expect(toldAt).toBeLessThan(FIRST_SLOT_MS);
        expect(Math.abs(toldAt + afterMs - closedAt)).toBeLessThan(SLACK_MS);
        expect(closedAt).toBeGreaterThan(FIRST_SLOT_MS - 50);
        expect(closedAt).toBeLessThan(LAST_SLOT_MS + SLACK_MS);
      }
      for (const share of sharesOf(seen)) expect(share * PARTS).toBeGreaterThan(0.5);
      for (const share of sharesOf(seen)) expect(share * PARTS).toBeLessThan(1.5);
      expect(await unauthenticated).toMatchObject({ code: 1001 });
      expect((await unauthenticated).at).toBeLessThan(1_000);

      expect(await exited).toEqual({ code: 0, signal: null });
      // The one that reads nothing costs the rest of the window, and no more.
      expect(performance.now() - signalledAt).toBeLessThan(WINDOW_MS + 4_000);
      expect(running.log).toContain('drained: 0 connections');
    },
  );

  it('as a lame duck says no to probes and yes to upgrades, and gives those away as well', async () => {
    const running = await start({ DRAIN_LAME_DUCK_MS: '1500', DRAIN_WINDOW_MS: '2000' });
    const early = await join(running, 'ann');
    const answer = await internal(running, 'POST', '/internal/drain');
    expect(answer).toMatchObject({ status: 202, body: { state: 'lame-duck', remaining: 1 } });
    expect((await fetch(`${running.url}/health/ready`)).status).toBe(503);
    const late = await join(running, 'ben');
    expect(await late.request('$ping')).toHaveProperty('data');
    for (const client of [early, late]) {
      expect(await client.frame('$reconnect')).toMatchObject({ data: { reason: 'draining' } });
      expect(await client.closed).toEqual({ code: 1001, reason: 'going away' });
    }
    await vi.waitFor(
      async () =>
        expect(await internal(running, 'GET', '/internal/state')).toMatchObject({
          body: { state: 'drained', remaining: 0 },
        }),
      5_000,
    );
    expect(running.isAlive).toBe(true);
    running.child.kill('SIGTERM');
    expect(await exitOf(running)).toEqual({ code: 0, signal: null });
  });

  it('by the preStop hook ends with every connection closed and the process alive; SIGTERM then exits 0', async () => {
    const running = await start({ DRAIN_WINDOW_MS: '2000' });
    const joined = await crowd(running, 20);
    const hook = spawn(process.execPath, ['--conditions=@aerie/source', '--import', SOURCES, DRAIN], {
      env: { ...process.env, INTERNAL_PORT: String(running.internalPort), DRAIN_WINDOW_MS: '2000' },
      stdio: 'ignore',
    });
    const [code] = (await once(hook, 'exit')) as [number | null];
    expect(code).toBe(0);
    for (const client of joined) expect((await client.closed).code).toBe(1001);
    expect(running.isAlive).toBe(true);
    expect(await running.metric('aerie_connections{transport="websocket"}')).toBe(0);
    expect(await running.metric('aerie_drain_state')).toBe(3);
    running.child.kill('SIGTERM');
    expect(await exitOf(running)).toEqual({ code: 0, signal: null });
  });

  it('that began by itself is joined by the first SIGTERM; a second one later exits 1 at once', async () => {
    const running = await start({ DRAIN_WINDOW_MS: '60000' });
    await join(running, 'ann');
    await internal(running, 'POST', '/internal/drain');
    running.child.kill('SIGTERM');
    running.child.kill('SIGTERM');
    await sleep(1_300);
    expect(running.isAlive).toBe(true);
    const forcedAt = performance.now();
    running.child.kill('SIGTERM');
    expect(await exitOf(running)).toEqual({ code: 1, signal: null });
    expect(performance.now() - forcedAt).toBeLessThan(2_000);
  });
});

function exitOf({ child }: RunningGateway): Promise<{ code: number | null; signal: string | null }> {
  const { exitCode: code, signalCode: signal } = child;
  if (code !== null || signal !== null) return Promise.resolve({ code, signal });
  return new Promise((resolve) => {
    child.once('exit', (endCode, endSignal) => resolve({ code: endCode, signal: endSignal }));
  });
}

async function farewellOf(client: TestClient, signalledAt: number): Promise<Farewell> {
  const closed = client.closed.then((end) => ({ ...end, closedAt: performance.now() - signalledAt }));
  const { data } = await client.frame('$reconnect', WINDOW_MS);
  const toldAt = performance.now() - signalledAt;
  const { afterMs } = data as { afterMs: number };
  return { toldAt, afterMs, ...(await closed) };
}

/** How the closes spread over the tenths of the stretch in which they may fall. */
function sharesOf(farewells: readonly Farewell[]): readonly number[] {
  const partMs = (LAST_SLOT_MS - FIRST_SLOT_MS) / PARTS;
  const counts = Array.from({ length: PARTS }, () => 0);
  for (const { closedAt } of farewells) {
    const part = Math.min(PARTS - 1, Math.max(0, Math.floor((closedAt - FIRST_SLOT_MS) / partMs)));
    counts[part] = (counts[part] ?? 0) + 1;
  }
  return counts.map((count) => count / farewells.length);
}

async function internal({ internalPort }: RunningGateway, method: string, path: string) {
  const response = await fetch(`http://127.0.0.1:${internalPort}${path}`, { method });
  return { status: response.status, body: (await response.json()) as unknown };
}

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it, vi } from 'vitest';
import { ALL_ZERO, gaugesOf } from '../support/gauges.js';
import { type RunningGateway, startGateway, tokenFor } from '../support/gateway.js';
import { inside } from '../support/inside.js';
import { openRaw, type RawClient } from '../support/raw-client.js';
import { killProcess } from '../support/redis-server.js';
import { mib, report, scaled } from './scale.js';

const PLAIN = fileURLToPath(new URL('../support/plain-ws-server.mjs', import.meta.url));
const INSIDE = fileURLToPath(new URL('../support/inside.mjs', import.meta.url));
const CONNECTIONS = scaled({ full: 10_000, short: 1_500 });
const WAVE = 100;
/** What may stay of the heap: caches, compiled code, metrics. */
const HEAP_LEFT_BYTES = 12 * 2 ** 20;
/** Resident memory is grown by V8 in steps, so that few connections look dear: what they hold on the heap is exact. */
const MOST_HEAP_EACH_BYTES = 20 * 1_024;
/** Connections that the test's own calls keep alive. */
const CALLS = 10;

let gateway: RunningGateway | undefined;
let plain: ChildProcess | undefined;
const clients: RawClient[] = [];

afterEach(async () => {
  for (const { socket } of clients.splice(0)) socket.destroy();
  await gateway?.stop();
  if (plain !== undefined) await killProcess(plain);
});

it(
  `holds ${CONNECTIONS} idle connections at a small price, and gives everything back`,
  { timeout: 180_000 },
  async () => {
    gateway = await startGateway({ HEARTBEAT_INTERVAL_MS: '600000', MAX_CONNECTIONS: '20000' });
    const running = gateway;
    await openMany(running.port, WAVE);
    await leave(running);
    const before = await inside(running, 'measure', {});

    await openMany(running.port, CONNECTIONS);
    await vi.waitFor(async () => expect(await running.connections()).toBe(CONNECTIONS), 10_000);
    const full = await inside(running, 'measure', {});
    const each = (full.rss - before.rss) / CONNECTIONS;
    const heapEach = (full.heapUsed - before.heapUsed) / CONNECTIONS;

    await leave(running);
    const after = await inside(running, 'measure', {});
    const eachPlain = await plainBytesPerConnection();
    report({
      connections: CONNECTIONS,
      'resident bytes each': Math.round(each),
      'of a plain ws server': Math.round(eachPlain),
      'heap bytes each': Math.round(heapEach),
      ratio: (each / eachPlain).toFixed(2),
      resident: `${mib(before.rss)} -> ${mib(full.rss)} -> ${mib(after.rss)}`,
      heap: `${mib(before.heapUsed)} -> ${mib(full.heapUsed)} -> ${mib(after.heapUsed)}`,
    });
    expect(heapEach).toBeLessThan(MOST_HEAP_EACH_BYTES);
    expect(after.heapUsed - before.heapUsed).toBeLessThan(HEAP_LEFT_BYTES);
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors + CALLS);
  },
);

async function openMany(port: number, count: number): Promise<void> {
  for (let opened = 0; opened < count; opened += WAVE) {
    const size = Math.min(WAVE, count - opened);
    const wave = Array.from({ length: size }, (_, index) =>
      openRaw({
        port,
        token: tokenFor(`user-${opened + index}`),
        localAddress: `127.0.0.${2 + (opened % 7)}`,
      }),
    );
    clients.push(...(await Promise.all(wave)));
  }
}

async function leave(running: RunningGateway): Promise<void> {
  for (const { socket } of clients.splice(0)) socket.destroy();
  await vi.waitFor(async () => expect(await gaugesOf(running)).toEqual(ALL_ZERO), 20_000);
}

async function plainBytesPerConnection(): Promise<number> {
  plain = spawn(process.execPath, ['--expose-gc', '--import', INSIDE, PLAIN], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const [{ port }] = (await once(plain, 'message')) as [{ port: number }];
  await openMany(port, WAVE);
  for (const { socket } of clients.splice(0)) socket.destroy();
  const before = await inside({ child: plain }, 'measure', {});
  await openMany(port, CONNECTIONS);
  const full = await inside({ child: plain }, 'measure', {});
  return (full.rss - before.rss) / CONNECTIONS;
}

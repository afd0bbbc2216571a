import { connect } from 'node:net';
import { openClient, upgradeRequest } from '@aerie/realtime/testing';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it, vi } from 'vitest';
import { ALL_ZERO, gaugesOf } from '../support/gauges.js';
import { type RunningGateway, startGateway, tokenFor } from '../support/gateway.js';
import { inside } from '../support/inside.js';
import { openRaw } from '../support/raw-client.js';
import { mib, report, scaled } from './scale.js';

const OPENS = scaled({ full: 5_000, short: 1_000 });
const AT_A_TIME = 50;
/** Connections that the test's own calls keep alive. */
const CALLS = 10;
const HEAP_LEFT_BYTES = 8 * 2 ** 20;
const CHANNELS = JSON.stringify({ channels: [{ pattern: 'room:{id}', subscribe: 'authenticated' }] });

let gateway: RunningGateway | undefined;
afterEach(() => gateway?.stop());

/** Ways to come and go, none of them polite. */
const VISITS = [
  async function resetAfterTheUpgrade({ port }: RunningGateway, n: number): Promise<void> {
    const { socket } = await openRaw({ port, token: tokenFor(`user-${n % 100}`) });
    socket.resetAndDestroy();
  },
  async function vanishInTheMiddleOfASubscribe({ port }: RunningGateway, n: number): Promise<void> {
    const client = await openRaw({ port, token: tokenFor(`user-${n % 100}`) });
    client.send('$subscribe', { channel: `room:${n % 50}` });
    client.socket.destroySoon();
  },
  async function leaveQuarantine({ port }: RunningGateway): Promise<void> {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    socket.write(upgradeRequest('/ws', `127.0.0.1:${port}`));
    await new Promise((resolve) => socket.once('data', resolve));
    socket.resetAndDestroy();
  },
  async function resetDuringTheHandshake({ port }: RunningGateway, n: number): Promise<void> {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    socket.write(upgradeRequest('/ws', `127.0.0.1:${port}`, { token: tokenFor(`user-${n % 100}`) }));
    await sleep(n % 4);
    socket.resetAndDestroy();
  },
  async function sendHalfARequest({ port }: RunningGateway): Promise<void> {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    socket.write('GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgr');
    await sleep(1);
    socket.destroy();
  },
];

it(`is as before after ${OPENS} connections that came and were killed`, { timeout: 120_000 }, async () => {
  gateway = await startGateway({ CHANNELS });
  const running = gateway;
  await visit(running, 0, AT_A_TIME);
  await isEmpty(running);
  const before = await holdingsOf(running);

  for (let opened = 0; opened < OPENS; opened += AT_A_TIME) await visit(running, opened, AT_A_TIME);

  await isEmpty(running);
  const after = await holdingsOf(running);
  report({ opens: OPENS, heap: `${mib(before.heapUsed)} -> ${mib(after.heapUsed)}` });
  expect(after.descriptors).toBeLessThanOrEqual(before.descriptors + CALLS);
  expect(after.sockets).toBeLessThanOrEqual(before.sockets + CALLS);
  expect(after.timers).toBeLessThanOrEqual(before.timers + CALLS);
  expect(after.heapUsed - before.heapUsed).toBeLessThan(HEAP_LEFT_BYTES);
  expect(running.log).not.toMatch(/MaxListeners|unhandled|"level":(50|60)/i);
  const client = await openClient(running.ws(), { token: tokenFor('after') });
  expect(await client.frame('$welcome')).toHaveProperty('data');
  client.socket.terminate();
});

async function holdingsOf(running: RunningGateway) {
  const measure = await inside(running, 'measure', {});
  const { TCPSocketWrap: sockets = 0, Timeout: timers = 0 } = await inside(running, 'resources', {});
  return { ...measure, sockets, timers };
}

async function visit(running: RunningGateway, from: number, count: number): Promise<void> {
  const visits = Array.from({ length: count }, async (_, index) => {
    const n = from + index;
    await VISITS[n % VISITS.length]?.(running, n);
  });
  await Promise.all(visits);
}

async function isEmpty(running: RunningGateway): Promise<void> {
  await vi.waitFor(async () => expect(await gaugesOf(running)).toEqual(ALL_ZERO), {
    timeout: 20_000,
    interval: 100,
  });
}

import { openClient, probeUpgrade } from '@aerie/realtime/testing';
import { afterEach, expect, it, vi } from 'vitest';
import { type RunningGateway, startGateway, tokenFor } from '../support/gateway.js';
import { openRaw, type RawClient } from '../support/raw-client.js';
import { report } from './scale.js';

const LIMIT = 400;
const RESERVE = 64;

let gateway: RunningGateway | undefined;
const clients: RawClient[] = [];
afterEach(async () => {
  for (const { socket } of clients.splice(0)) socket.destroy();
  await gateway?.stop();
});

it(
  `answers 503 when its ${LIMIT} descriptors run out, serves who is in, and recovers`,
  { timeout: 60_000 },
  async () => {
    gateway = await startGateway({}, { descriptors: LIMIT });
    const running = gateway;
    const witness = await openClient(running.ws(), { token: tokenFor('witness') });
    await witness.frame('$welcome');
    await openUntilRefused(running);
    report({ descriptors: LIMIT, connections: clients.length });
    expect(clients.length).toBeGreaterThan(LIMIT - RESERVE - 80);
    expect(clients.length).toBeLessThanOrEqual(LIMIT - RESERVE);

    expect(await probeUpgrade(running.ws(), { token: tokenFor('late') })).toMatchObject({
      status: 503,
      headers: { 'retry-after': '5', connection: 'close' },
      body: { error: { code: 'overloaded' } },
    });
    const crowd = Array.from({ length: 500 }, () => statusOf(running));
    const outcomes = await Promise.all(crowd);
    expect(outcomes).not.toContain(101);
    expect(outcomes).toContain(503);

    expect(await witness.request('$ping')).toHaveProperty('data');
    await running.api('broadcast', { event: 'still here' });
    await witness.frame('still here');
    expect(running.log).not.toMatch(/EMFILE|unhandled|"level":(50|60)/i);

    for (const { socket } of clients.splice(0)) socket.destroy();
    await vi.waitFor(async () => expect(await statusOf(running)).toBe(101), 10_000);
    witness.socket.terminate();
  },
);

async function openUntilRefused({ port }: RunningGateway): Promise<void> {
  while (clients.length < LIMIT) {
    const client = await openRaw({ port, token: tokenFor(`user-${clients.length}`) }).catch(String);
    if (typeof client === 'string') return expect(client).toContain('503');
    clients.push(client);
  }
}

/** The status, or 0 where the listening socket dropped the connection: then not even a refusal was affordable. */
async function statusOf(running: RunningGateway): Promise<number> {
  try {
    return (await probeUpgrade(running.ws(), { token: tokenFor('crowd') })).status;
  } catch {
    return 0;
  }
}

import { clientFrame, openClient } from '@aerie/realtime/testing';
import { afterEach, expect, it, vi } from 'vitest';
import { ALL_ZERO, gaugesOf } from '../support/gauges.js';
import { type RunningGateway, startGateway, tokenFor } from '../support/gateway.js';
import { inside } from '../support/inside.js';
import { openRaw, type RawClient } from '../support/raw-client.js';
import { mib, report } from './scale.js';

const CONNECTIONS = 500;
const FRAMES_EACH = 20;
const HEAP_LEFT_BYTES = 8 * 2 ** 20;
const TEXT = 0x1;
const BINARY = 0x2;

/** Sound WebSocket frames with nonsense in them: each gets an error frame. */
const NONSENSE = [
  '',
  '{',
  'null',
  '[]',
  '"x"',
  '{"event":7}',
  '{"event":""}',
  '{"data":{}}',
  '{"event":"$nonsense","id":{}}',
  `{"event":"x","data":${'['.repeat(500)}${']'.repeat(500)}}`,
  `{"event":"${'e'.repeat(500)}"}`,
  `{"event":"x","id":"${'i'.repeat(500)}"}`,
  '{"event":"__proto__","data":{"__proto__":{"polluted":true}}}',
  '\u0000\u0001\u0002',
].map((text) => clientFrame(TEXT, Buffer.from(text)));
const GARBAGE = clientFrame(BINARY, Buffer.from([0xff, 0xfe, 0x00, 0xc3, 0x28]));

/** What breaks RFC 6455 itself: each ends its connection. */
const BREACHES = [
  Buffer.from([0xf1, 0x80, 0, 0, 0, 0]),
  Buffer.from([0x83, 0x80, 0, 0, 0, 0]),
  Buffer.from([0x81, 0x02, 0x68, 0x69]),
  Buffer.from([0x89, 0xfe, 0x00, 0x80, 0, 0, 0, 0]),
  Buffer.from([0x09, 0x80, 0, 0, 0, 0]),
  Buffer.from([0x80, 0x80, 0, 0, 0, 0]),
  Buffer.from([0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
  Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0]),
  Buffer.from([0x88, 0x81, 0, 0, 0, 0, 0x03]),
  Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x00, 0x05]),
  clientFrame(TEXT, Buffer.from([0xc3, 0x28])),
];

let gateway: RunningGateway | undefined;
const clients: RawClient[] = [];
afterEach(async () => {
  for (const { socket } of clients.splice(0)) socket.destroy();
  await gateway?.stop();
});

it(
  `stands ${CONNECTIONS * FRAMES_EACH} malformed frames over ${CONNECTIONS} connections`,
  { timeout: 60_000 },
  async () => {
    gateway = await startGateway({ MESSAGES_PER_SECOND: '1000', MESSAGES_BURST: '1000' });
    const running = gateway;
    const witness = await openClient(running.ws(), { token: tokenFor('witness') });
    await witness.frame('$welcome');
    await assault(running, 20);
    const before = await inside(running, 'measure', {});

    const startedAt = performance.now();
    await assault(running, CONNECTIONS);
    const tookMs = performance.now() - startedAt;

    expect(await witness.request('$ping')).toHaveProperty('data');
    const after = await inside(running, 'measure', {});
    report({
      frames: CONNECTIONS * FRAMES_EACH,
      seconds: (tookMs / 1_000).toFixed(1),
      heap: `${mib(before.heapUsed)} -> ${mib(after.heapUsed)}`,
      resident: `${mib(before.rss)} -> ${mib(after.rss)}`,
    });
    expect(after.heapUsed - before.heapUsed).toBeLessThan(HEAP_LEFT_BYTES);
    expect(await running.metric('aerie_message_errors_total{code="bad_frame"}')).toBeGreaterThan(
      CONNECTIONS * (FRAMES_EACH - 5),
    );
    expect(running.log).not.toMatch(/unhandled|"level":(50|60)/i);
    witness.socket.terminate();
    await vi.waitFor(async () => expect(await gaugesOf(running)).toEqual(ALL_ZERO), 10_000);
  },
);

/** Each connection sends nonsense, reads its error frames, and then breaks the protocol, which closes it. */
async function assault(running: RunningGateway, connections: number): Promise<void> {
  const sent = await Promise.all(
    Array.from({ length: connections }, async (_, index) => {
      const client = await openRaw({ port: running.port, token: tokenFor(`user-${index}`) });
      clients.push(client);
      for (let n = 1; n < FRAMES_EACH; n += 1)
        client.socket.write(NONSENSE[(index + n) % (NONSENSE.length + 1)] ?? GARBAGE);
      client.socket.write(BREACHES[index % BREACHES.length] ?? GARBAGE);
      return client;
    }),
  );
  await vi.waitFor(async () => expect(await running.connections()).toBe(1), {
    timeout: 20_000,
    interval: 100,
  });
  for (const { socket } of sent) socket.destroy();
  clients.length = 0;
}

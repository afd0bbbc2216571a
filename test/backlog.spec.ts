import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from './support/gateway.js';

let gateway: RunningGateway;
const sockets: Socket[] = [];
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  gateway.child.kill('SIGCONT');
  await gateway.stop();
});

/** What the kernel lets a server ask for; macOS has no such file and 128. */
function mostThatWait(): number {
  try {
    return Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'));
  } catch {
    return 128;
  }
}

it('keeps a crowd that comes while the gateway is busy, more than the 511 that Node asks for', async () => {
  gateway.child.kill('SIGSTOP');
  const crowd = Math.min(1_000, mostThatWait());
  sockets.push(...Array.from({ length: crowd }, () => connect({ port: gateway.port, host: '127.0.0.1' })));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));

  gateway.child.kill('SIGCONT');
  sockets[crowd - 1]?.write('GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  const [answer] = (await once(sockets[crowd - 1] ?? new Socket(), 'data')) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1.1 200 /);
});

import { connect } from 'node:net';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { freePort } from '../../test/support/free-port.js';
import { AdminServer } from './admin-server.js';

let port: number;
let server: AdminServer;

beforeEach(async () => {
  port = await freePort();
  const routes = [{ method: 'GET', path: '/metrics', handle: () => ({ body: 'up' }) }] as const;
  server = new AdminServer({ port, host: '127.0.0.1', routes });
  await server.onApplicationBootstrap();
});
afterEach(() => server.onApplicationShutdown());

it('holds a few connections at a time: descriptors are for clients', async () => {
  const idlers = Array.from({ length: 40 }, () => connect(port, '127.0.0.1'));
  let open = idlers.length;
  for (const socket of idlers) socket.on('error', () => undefined).on('close', () => (open -= 1));
  for (const socket of idlers) socket.resume();
  await vi.waitFor(() => expect(open).toBe(16));
  for (const socket of idlers) socket.destroy();
  await vi.waitFor(async () => expect((await fetch(`http://127.0.0.1:${port}/metrics`)).status).toBe(200));
});

import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Refusal } from '../refusal.js';
import { HttpEdge } from './http-edge.js';

const ALLOWED = 'https://app.example.com';
const isAllowed = ({ headers }: IncomingMessage) => headers.origin === ALLOWED;
const edge = new HttpEdge({
  origins: {
    check: (request) => (isAllowed(request) ? undefined : new Refusal('forbidden', 'origin not allowed')),
    corsHeaders: (request) => ({
      vary: 'Origin',
      ...(isAllowed(request) && { 'access-control-allow-origin': ALLOWED }),
    }),
  },
});
const server = createServer();
let url = '';

beforeAll(async () => {
  edge.add({ method: 'POST', path: '/open', cors: true, handle: () => new Refusal('unauthenticated', 'no') });
  edge.add({ method: 'POST', path: '/own', handle: () => ({}) });
  edge.attach(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.close();
  server.closeAllConnections();
});

function ask(method: string, path: string, origin: string): Promise<Response> {
  return fetch(url + path, { method, headers: { origin } });
}

describe('a cross-origin route', () => {
  it('answers the preflight of an allowed origin', async () => {
    const { status, headers } = await ask('OPTIONS', '/open', ALLOWED);
    expect(status).toBe(204);
    expect(headers.get('access-control-allow-origin')).toBe(ALLOWED);
    expect(headers.get('access-control-allow-methods')).toBe('POST, OPTIONS');
    expect(headers.get('access-control-allow-headers')).toBe(
      'Authorization, Content-Type, If-None-Match, Last-Event-ID, Aerie-Connection, Aerie-Resume',
    );
  });

  it('refuses the preflight of another', async () => {
    const { status, headers } = await ask('OPTIONS', '/open', 'https://evil.example.com');
    expect([status, headers.get('access-control-allow-origin'), headers.get('vary')]).toEqual([
      403,
      null,
      'Origin',
    ]);
  });

  it('lets an allowed origin read errors too', async () => {
    const { status, headers } = await ask('POST', '/open', ALLOWED);
    expect([status, headers.get('access-control-allow-origin')]).toEqual([401, ALLOWED]);
  });

  it('is the only kind that answers across origins', async () => {
    const response = await ask('POST', '/own', ALLOWED);
    expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([204, null]);
    expect((await ask('OPTIONS', '/own', ALLOWED)).status).toBe(405);
  });
});

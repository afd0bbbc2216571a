import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Session } from '../connections/session.js';
import { HttpEdge } from '../http/http-edge.js';
import { MemoryTicketStore } from '../memory/memory-ticket-store.js';
import type { HandshakeRequest } from './authenticator.js';
import { Caller } from './caller.js';
import { prepareRequest } from './handshake-request.js';
import { OriginPolicy } from './origin.js';
import { Refusal } from '../refusal.js';
import { ticketRoute } from './ticket.route.js';
import { Tickets } from './tickets.js';

const ORIGIN = 'https://app.example.com';
const origins = new OriginPolicy({ allowed: [ORIGIN] });
const tickets = new Tickets(new MemoryTicketStore());
const session: Session = { user: 'ada', claims: { role: 'admin' }, jti: 'j1' };
const failures = {
  count: 0,
  record: () => Promise.resolve(void (failures.count += 1)),
  blockedForMs: () => Promise.resolve(failures.count > 1 ? 1 : 0),
};

const authentication = {
  authenticate: ({ headers, cookies }: HandshakeRequest): Promise<Session | Refusal> => {
    const isKnown = headers.authorization === 'Bearer good' || cookies['sid'] === 'good';
    return Promise.resolve(isKnown ? session : new Refusal('unauthenticated', 'authentication failed'));
  },
};

const edge = new HttpEdge({ origins });
const server = createServer();
let url = '';

beforeAll(async () => {
  edge.add(
    ticketRoute({
      caller: new Caller({
        authentication,
        origins,
        failures,
        prepare: (request) =>
          prepareRequest(request, { ip: '127.0.0.1', params: {}, transport: 'websocket' }, {}),
        addressGroupOf: () => '127.0.0.1',
      }),
      tickets,
    }),
  );
  edge.attach(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/tickets`;
});

afterEach(() => {
  failures.count = 0;
});

afterAll(() => {
  server.close();
  server.closeAllConnections();
});

function post(headers: Record<string, string>, query = ''): Promise<Response> {
  return fetch(url + query, {
    method: 'POST',
    body: '{}',
    headers: { 'content-type': 'application/json', ...headers },
  });
}

describe('POST /tickets', () => {
  it('gives the caller a ticket that is worth its session once', async () => {
    const response = await post({ authorization: 'Bearer good', origin: ORIGIN });
    expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([200, ORIGIN]);
    const { ticket, expiresInMs } = (await response.json()) as { ticket: string; expiresInMs: number };
    expect(expiresInMs).toBe(30_000);
    expect(await tickets.redeem(ticket)).toEqual(session);
    expect(await tickets.redeem(ticket)).toBeInstanceOf(Refusal);
  });

  it('refuses who is not authenticated, and counts it', async () => {
    expect((await post({ authorization: 'Bearer bad' })).status).toBe(401);
    expect((await post({})).status).toBe(401);
    expect(failures.count).toBe(2);
    expect((await post({ authorization: 'Bearer good' })).status).toBe(429);
  });

  it('takes a cookie only with an allowed Origin', async () => {
    const cookie = 'sid=good';
    expect((await post({ cookie, origin: ORIGIN })).status).toBe(200);
    expect((await post({ cookie })).status).toBe(403);
    expect((await post({ cookie, origin: 'https://evil.example.com' })).status).toBe(403);
  });

  it('refuses what a cross-site form could send', async () => {
    const headers = { authorization: 'Bearer good', origin: ORIGIN, 'content-type': 'text/plain' };
    expect((await post(headers)).status).toBe(415);
  });

  it('gives no ticket for a ticket', async () => {
    expect((await post({}, '?ticket=abc')).status).toBe(403);
    expect((await post({ authorization: 'Bearer good' }, '?ticket=abc')).status).toBe(403);
  });
});

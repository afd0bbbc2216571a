import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RealtimeClient } from '../client.js';
import { fallbacks } from './fallbacks.js';
import { longPolling } from './long-polling.js';

const WELCOME = {
  event: '$welcome',
  data: {
    connection: 'c1',
    user: 'alice',
    node: 'n1',
    expiresAt: null,
    heartbeat: { intervalMs: 30_000, timeoutMs: 10_000 },
    maxFrameBytes: 65_536,
    channels: {},
    transport: 'long-polling',
    resume: 'proof',
  },
};

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A server of polls that does what the spec says; everything but `/poll` and `/send` is 426. */
let http: Server;
let polls: IncomingMessage[];
let sent: unknown[];
let answers: Answer[];
let gateway: string;
let client: RealtimeClient;
let waiting: ServerResponse[];
/** What a request for the WebSocket is answered. */
let elsewhere: Answer;

function json(response: ServerResponse, status: number, body?: unknown): void {
  response
    .writeHead(status, { 'content-type': 'application/json' })
    .end(body === undefined ? '' : JSON.stringify(body));
}

function batch(cursor: string, ...frames: unknown[]): Answer {
  return (_request, response) => json(response, 200, { cursor, id: `proof-${cursor};`, frames });
}

beforeEach(async () => {
  polls = [];
  sent = [];
  answers = [];
  waiting = [];
  elsewhere = (_request, response) => json(response, 426);
  http = createServer((request, response) => {
    if (request.url?.startsWith('/send')) return take(request, response);
    if (!request.url?.startsWith('/poll')) return elsewhere(request, response);
    polls.push(request);
    const answer = answers.shift();
    if (answer) answer(request, response);
    else waiting.push(response);
  });
  http.on('upgrade', (_request, socket) => socket.destroy());
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;
  gateway = `ws://127.0.0.1:${port}/ws`;
  client = new RealtimeClient(gateway, {
    ticket: () => 'the-ticket',
    fallbacks: fallbacks({ transports: [longPolling()] }),
  });
  client.onError(() => undefined);
});

afterEach(async () => {
  client.close();
  http.closeAllConnections();
  http.close();
  await once(http, 'close');
});

function take(request: IncomingMessage, response: ServerResponse): void {
  let body = '';
  request.on('data', (piece) => (body += String(piece)));
  request.on('end', () => {
    sent.push({ headers: request.headers, body: JSON.parse(body) as unknown });
    json(response, 202, {});
  });
}

const isOpen = async (): Promise<void> => vi.waitFor(() => expect(client.state.status).toBe('open'), 10_000);

describe('long polling', () => {
  it('opens with the credential, then polls with the cursor, the connection and what stands for the session', async () => {
    answers = [
      (_request, response) =>
        json(response, 200, { connection: 'c1', cursor: 'k1', id: 'proof-k1;', frames: [WELCOME] }),
      batch('k2', { event: 'hello', data: 1 }, { event: 'hello', data: 2 }),
    ];
    const heard: unknown[] = [];
    client.on('hello', (data) => heard.push(data));
    await isOpen();
    await vi.waitFor(() => expect(polls).toHaveLength(3));
    expect(heard).toEqual([1, 2]);
    expect(polls.map(({ url }) => url)).toEqual([
      '/poll?ticket=the-ticket',
      '/poll?cursor=k1',
      '/poll?cursor=k2',
    ]);
    expect(polls[2]?.headers).toMatchObject({ 'aerie-connection': 'c1', 'last-event-id': 'proof-k2;' });
    client.send('typing', { in: 'room' });
    await vi.waitFor(() => expect(sent).toHaveLength(1));
    expect(sent[0]).toMatchObject({
      headers: { 'aerie-connection': 'c1', 'last-event-id': 'proof-k2;' },
      body: { seq: 1, messages: [{ event: 'typing', data: { in: 'room' } }] },
    });
  });

  it('goes on with the token that its session was renewed with', async () => {
    let count = 0;
    client = new RealtimeClient(gateway, {
      token: () => `t${(count += 1)}`,
      fallbacks: fallbacks({ transports: [longPolling()] }),
    });
    client.onError(() => undefined);
    const welcome = (serverTime: number): object => {
      return { ...WELCOME, data: { ...WELCOME.data, serverTime, expiresAt: serverTime + 2_000 } };
    };
    answers = [(...exchange) => batch('k1', welcome(Date.now()))(...exchange)];
    client.connect();
    await isOpen();
    await vi.waitFor(() => expect(sent).toHaveLength(1), 10_000);
    batch('k2')(polls[1] as IncomingMessage, waiting.shift() as ServerResponse);
    await vi.waitFor(() => expect(polls.length).toBeGreaterThan(2));
    // The first was the WebSocket's.
    const bearers = [...polls.slice(0, 3), sent[0] as { headers: IncomingHttpHeaders }];
    expect(bearers.map(({ headers }) => headers.authorization)).toEqual(
      ['t2', 't2', 't3', 't3'].map((token) => `Bearer ${token}`),
    );
  });

  it('asks again with the same cursor after an answer that never came, and passes nothing on twice', async () => {
    answers = [
      batch('k1', WELCOME),
      (_request, response) => void response.destroy(),
      (_request, response) => json(response, 503),
      batch('k2', { event: 'hello', data: 1 }),
    ];
    const heard: unknown[] = [];
    client.on('hello', (data) => heard.push(data));
    await vi.waitFor(() => expect(polls.length).toBe(5), 15_000);
    expect(polls.slice(1).map(({ url }) => url)).toEqual([
      '/poll?cursor=k1',
      '/poll?cursor=k1',
      '/poll?cursor=k1',
      '/poll?cursor=k2',
    ]);
    expect(heard).toEqual([1]);
  });

  it('opens another connection where its own is silent: two polls in a row, by the word of another node', async () => {
    const silent: Answer = (_request, response) =>
      json(response, 503, { error: { code: 'unavailable', message: 'no answer' } });
    const proxy: Answer = (_request, response) => json(response, 503);
    answers = [batch('k1', WELCOME), silent, proxy, silent, silent, batch('k9', WELCOME)];
    client.connect();
    await vi.waitFor(() => expect(polls).toHaveLength(7), 15_000);
    expect(polls.map(({ url }) => url)).toEqual([
      '/poll?ticket=the-ticket',
      ...Array.from({ length: 4 }, () => '/poll?cursor=k1'),
      '/poll?ticket=the-ticket',
      '/poll?cursor=k9',
    ]);
  });

  it('ends as $close says, or when the session is gone', async () => {
    answers = [batch('k1', WELCOME), (_request, response) => json(response, 410), batch('k1', WELCOME)];
    const states: unknown[] = [];
    client.onState((state) =>
      states.push('cause' in state ? [state.status, state.cause.code] : state.status),
    );
    client.connect();
    await vi.waitFor(() => expect(states).toContainEqual(['waiting', 1006]), 10_000);
    await isOpen();
    await vi.waitFor(() => expect(waiting).toHaveLength(1));
    const [poll] = waiting;
    json(poll as ServerResponse, 200, {
      cursor: 'k2',
      frames: [{ event: '$close', data: { code: 4403, reason: 'disconnected' } }],
    });
    await vi.waitFor(() =>
      expect(client.state).toMatchObject({
        status: 'stopped',
        cause: { code: 4403, reason: 'disconnected' },
      }),
    );
  });

  it.each([
    { statusCode: 403, error: 'Forbidden' },
    { error: { code: 403, message: 'no', status: 'PERMISSION_DENIED' } },
  ])('is taken where a proxy answers for the WebSocket, in JSON of its own: %j', async (own) => {
    elsewhere = (_request, response) => json(response, 403, own);
    answers = [batch('k1', WELCOME)];
    client.connect();
    await isOpen();
  });

  it('shows nobody what stands for the session', async () => {
    answers = [batch('k1', WELCOME)];
    client.connect();
    await isOpen();
    expect(client.state).toMatchObject({ welcome: { connection: 'c1', transport: 'long-polling' } });
    expect(JSON.stringify(client.state)).not.toContain('proof');
  });

  it('says goodbye', async () => {
    answers = [batch('k1', WELCOME)];
    client.connect();
    await isOpen();
    await vi.waitFor(() => expect(polls).toHaveLength(2));
    client.close();
    await vi.waitFor(() => expect(polls.at(-1)).toMatchObject({ method: 'DELETE', url: '/poll' }));
  });
});

import { createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Refusal, type Connection, type Session, type SessionEvent } from '@aerie/realtime';
import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HooksClient, type HooksOptions } from './hooks-client.js';

interface Call {
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  readonly body: Record<string, unknown>;
}

const SECRET = 'the-hooks-secret';
const session: Session = { user: 'alice', tenant: 'acme', claims: { role: 'editor' } };
const request = { session, connection: { id: 'c1' } as Connection, channel: 'room:7', params: { id: '7' } };

let server: Server;
let url: string;
let calls: Call[];
let logged: string[];
let answer: (response: ServerResponse, call: Call) => void;

beforeEach(async () => {
  calls = [];
  logged = [];
  vi.spyOn(Logger.prototype, 'warn').mockImplementation((message: string) => void logged.push(message));
  answer = (response) => response.end('{"allow":true}');
  server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const call = { headers: incoming.headers, text, body: JSON.parse(text) as Record<string, unknown> };
      calls.push(call);
      answer(response, call);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks`;
});

afterEach(async () => {
  vi.restoreAllMocks();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const client = (options: Partial<HooksOptions> = {}) => new HooksClient({ url, secret: SECRET, ...options });
const replyWith = (text: string, status = 200) => {
  answer = (response) => response.writeHead(status).end(text);
};

describe('a call', () => {
  it('is signed over its timestamp and body, with an event id', async () => {
    await client().connect(session, { address: '192.0.2.1' });
    const { headers, text } = calls[0] as Call;
    const timestamp = String(headers['aerie-timestamp']);
    const expected = createHmac('sha256', SECRET).update(`${timestamp}.${text}`).digest('hex');
    expect(headers['aerie-signature']).toBe(`v1=${expected}`);
    expect(Math.abs(Number(timestamp) - Date.now() / 1_000)).toBeLessThan(5);
    expect(headers['aerie-event-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('says who, on which connection, and what about', async () => {
    await client().publish({ ...request, event: 'say', data: { text: 'hi' } });
    expect(calls[0]?.body).toEqual({
      hook: 'publish',
      user: 'alice',
      tenant: 'acme',
      claims: { role: 'editor' },
      connection: 'c1',
      channel: 'room:7',
      params: { id: '7' },
      event: 'say',
      data: { text: 'hi' },
    });
  });

  it('names no connection where a plain request asks', async () => {
    const { connection: _, ...visit } = request;
    await client().subscribe(visit);
    const { body } = calls[0] as Call;
    expect([body['hook'], body['channel'], 'connection' in body]).toEqual(['subscribe', 'room:7', false]);
  });

  it('reuses connections', async () => {
    let connections = 0;
    server.on('connection', () => (connections += 1));
    const hooks = client();
    for (let index = 0; index < 20; index += 1) await hooks.subscribe(request);
    expect(connections).toBeLessThan(4);
  });
});

describe('an answer', () => {
  it('lets in with allow: true', async () => {
    expect(await client().connect(session, {})).toBeUndefined();
    expect(await client().subscribe(request)).toBe(true);
    expect(await client().publish({ ...request, event: 'say', data: 1 })).toBe(true);
  });

  it.each(['{}', '{"allow":false}', '{"data":1}'])('refuses with %s', async (text) => {
    replyWith(text);
    expect(await client().connect(session, {})).toMatchObject({ code: 'forbidden' });
    expect(await client().subscribe(request)).toMatchObject({ code: 'forbidden' });
  });

  it('names its own error, within the protocol\u2019s table', async () => {
    replyWith('{"allow":true,"error":{"code":"rate_limited","message":"slow down"}}');
    expect(await client().subscribe(request)).toMatchObject({ code: 'rate_limited', message: 'slow down' });
    replyWith('{"error":{"code":"toString","message":"no"}}');
    expect(await client().subscribe(request)).toMatchObject({ code: 'forbidden', message: 'no' });
  });

  it('may replace what is published', async () => {
    replyWith('{"allow":true,"data":{"text":"***"}}');
    expect(await client().publish({ ...request, event: 'say', data: { text: 'rude' } })).toEqual({
      data: { text: '***' },
    });
  });

  it('is the reply to a message', async () => {
    replyWith('{"data":{"total":3}}');
    const reply = await client().message(session, {
      connection: 'c1',
      event: 'cart.total',
      data: { cart: 9 },
    });
    expect(reply).toEqual({ data: { total: 3 } });
    expect(calls[0]?.body).toMatchObject({ hook: 'message', event: 'cart.total', data: { cart: 9 } });
  });

  it('may be an error to a message', async () => {
    replyWith('{"error":{"code":"not_found","message":"no such cart"}}');
    const reply = await client().message(session, { connection: 'c1', event: 'cart.total' });
    expect(reply).toBeInstanceOf(Refusal);
    expect(reply).toMatchObject({ code: 'not_found', message: 'no such cart' });
  });
});

describe('a failing hook refuses with unavailable, and is not asked twice', () => {
  it.each([
    [
      'a status that is no success',
      (response: ServerResponse) => response.writeHead(500).end('{"allow":true}'),
    ],
    ['a redirect', (response: ServerResponse) => response.writeHead(307, { location: url }).end()],
    ['no JSON', (response: ServerResponse) => response.end('yes')],
    ['another shape', (response: ServerResponse) => response.end('{"allow":"yes"}')],
    [
      'an answer over 1 MiB',
      (response: ServerResponse) => response.end(`{"allow":true,"data":"${'x'.repeat(1_100_000)}"}`),
    ],
    ['a connection that breaks', (response: ServerResponse) => response.destroy()],
    [
      'an answer that breaks off',
      (response: ServerResponse) => response.write('{"allow"', () => response.destroy()),
    ],
  ])('%s', async (_, respond) => {
    answer = respond;
    expect(await client().subscribe(request)).toMatchObject({ code: 'unavailable', status: 503 });
    expect(calls).toHaveLength(1);
  });

  it('no answer in time, trickling included', async () => {
    answer = (response) => response.write('{"allow":');
    expect(await client({ timeoutMs: 100 }).subscribe(request)).toMatchObject({ code: 'unavailable' });
  });

  it('nobody there', async () => {
    const gone = new HooksClient({ url: 'http://127.0.0.1:9/hooks', secret: SECRET });
    expect(await gone.subscribe(request)).toMatchObject({ code: 'unavailable' });
  });

  it('and logs why, once, without payloads or secrets', async () => {
    replyWith('{"secret-answer":1', 200);
    const hooks = client();
    for (let index = 0; index < 3; index += 1)
      await hooks.publish({ ...request, event: 'say', data: 'secret-payload' });
    expect(logged).toEqual(['hook publish failed: answer is not JSON']);
  });
});

it('refuses with overloaded past its calls in flight, and recovers', async () => {
  const held: ServerResponse[] = [];
  answer = (response) => void held.push(response);
  const hooks = client({ maxInFlight: 2 });
  const first = [hooks.subscribe(request), hooks.subscribe(request)];
  expect(await hooks.subscribe(request)).toMatchObject({ code: 'overloaded' });
  await vi.waitFor(() => expect(held).toHaveLength(2));
  for (const response of held) response.end('{"allow":true}');
  expect(await Promise.all(first)).toEqual([true, true]);
  replyWith('{"allow":true}');
  expect(await hooks.subscribe(request)).toBe(true);
});

describe('what is told', () => {
  const about = { user: 'alice', at: 5 };
  const disconnected: SessionEvent = {
    id: 'c1.disconnected',
    type: 'disconnected',
    ...about,
    tenant: 'acme',
    connection: 'c1',
    node: 'gateway-1',
    code: 1006,
    reason: 'node_lost',
  };
  const online: SessionEvent = { id: 'c1.online', type: 'online', ...about };

  it('is each disconnect, with its code and reason and under the id of its event', async () => {
    await client().tell(disconnected);
    const { id, type: _, ...details } = disconnected;
    expect(calls.map(({ body }) => body)).toEqual([{ hook: 'disconnect', ...details }]);
    expect(calls[0]?.headers['aerie-event-id']).toBe(id);
  });

  it('rejects where the hook fails, so that it is told again', async () => {
    replyWith('', 500);
    await expect(client().tell(disconnected)).rejects.toThrow('status 500');
  });

  it('is more where that is wanted', async () => {
    await client().tell(online);
    expect(calls).toEqual([]);
    await client({ told: ['online'] }).tell(online);
    expect(calls.map(({ body }) => body)).toEqual([{ hook: 'online', ...about }]);
  });
});

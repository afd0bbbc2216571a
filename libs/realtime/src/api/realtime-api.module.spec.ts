import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Global, Module, type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { HistoryOutcome, PageRequest } from '../history/channel-histories.js';
import type { Revocation } from '../sessions/revocations.js';
import { ClientAddress } from '../handshake/client-address.js';
import { FailureCounter } from '../handshake/failure-counter.js';
import { HttpEdge } from '../http/http-edge.js';
import type { PresenceOutcome, PresencePageRequest } from '../presence/channel-presence.js';
import { BackplaneUnavailable } from '../publishing/backplane.js';
import type { PublishOutcome } from '../publishing/outcome.js';
import { ApiTarget, RealtimeApiModule } from './index.js';

/** A node that writes down what it is asked. */
class RecordingTarget extends ApiTarget {
  readonly asked: unknown[] = [];
  isAway = false;
  published: PublishOutcome = { ok: true, channel: 'room:7', epoch: 'e', offset: 3 };

  channel(name: string) {
    return {
      publish: (...args: unknown[]) => this.#publish('publish', name, ...args),
      history: (page?: PageRequest) => this.#history(name, page),
      presence: (page?: PresencePageRequest) => this.#presence(name, page),
    };
  }

  user(id: string) {
    return {
      disconnect: (options?: { reconnect?: boolean }) => this.#command('disconnect', id, options),
      unsubscribe: (channel: string) => this.#command('unsubscribe', id, channel),
      isOnline: () => this.#read(true),
      connections: () =>
        this.#read([
          {
            id: 'c1',
            node: 'n1',
            transport: 'websocket' as const,
            address: '127.0.0.1',
            openedAt: 5,
            expiresAt: 99,
            channels: [`user:${id}`],
          },
        ]),
    };
  }

  broadcast(...args: unknown[]) {
    return this.#publish('broadcast', ...args);
  }

  revoke(revocation: Revocation) {
    return this.#command('revoke', revocation);
  }

  info() {
    const backplane = { name: 'memory', shared: false, up: true };
    return Promise.resolve({ node: 'n1', connections: 2, users: 1, channels: 3, backplane, nodes: [] });
  }

  #read<Value>(value: Value): Promise<Value> {
    return this.isAway ? Promise.reject(new BackplaneUnavailable('Redis: timeout')) : Promise.resolve(value);
  }

  #publish(...asked: unknown[]) {
    this.asked.push(asked);
    return Promise.resolve(this.published);
  }

  #presence(channel: string, page?: PresencePageRequest): Promise<PresenceOutcome> {
    this.asked.push(['presence', channel, page]);
    if (channel === 'lobby')
      return Promise.resolve({ ok: false, error: { code: 'not_found', message: 'none' } });
    const members = [{ user: 'ada', connections: 2 }];
    return Promise.resolve({ ok: true, channel, version: 7, members, more: true });
  }

  #history(channel: string, page?: PageRequest): Promise<HistoryOutcome> {
    this.asked.push(['history', channel, page]);
    if (channel === 'lobby')
      return Promise.resolve({ ok: false, error: { code: 'not_found', message: 'none' } });
    const publications = [{ event: 'say', channel, data: 1, offset: 3 }];
    return Promise.resolve({ ok: true, channel, epoch: 'e', offset: 3, publications });
  }

  #command(...asked: unknown[]) {
    this.asked.push(asked);
    return Promise.resolve({ ok: true } as const);
  }
}

class CountingFailures extends FailureCounter {
  failures = 0;
  record() {
    this.failures += 1;
    return Promise.resolve();
  }
  blockedForMs() {
    return Promise.resolve(this.failures >= 3 ? 1_500 : 0);
  }
  close() {
    return Promise.resolve();
  }
}

const target = new RecordingTarget();
const failures = new CountingFailures();
const edge = new HttpEdge();
const server = createServer();
let app: INestApplicationContext;
let url = '';

@Global()
@Module({
  providers: [
    { provide: HttpEdge, useValue: edge },
    { provide: ApiTarget, useValue: target },
    { provide: FailureCounter, useValue: failures },
    { provide: ClientAddress, useValue: new ClientAddress() },
  ],
  exports: [HttpEdge, ApiTarget, FailureCounter, ClientAddress],
})
class FakeRealtimeModule {}

const keys = [
  { name: 'r', scope: 'read', secret: 'read-secret' },
  { name: 'p', scope: 'publish', secret: 'publish-secret' },
  { name: 'a', scope: 'admin', secret: 'admin-secret' },
] as const;

@Module({
  imports: [
    FakeRealtimeModule,
    RealtimeApiModule.forRootAsync({ useFactory: () => Promise.resolve({ keys }) }),
  ],
})
class AppModule {}

beforeAll(async () => {
  app = await NestFactory.createApplicationContext(AppModule, { logger: false });
  edge.attach(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(() => {
  target.asked.length = 0;
  failures.failures = 0;
  target.published = { ok: true, channel: 'room:7', epoch: 'e', offset: 3 };
});

afterAll(async () => {
  await app.close();
  server.close();
  server.closeAllConnections();
});

type Answer = { readonly status: number; readonly body: unknown; readonly headers: Headers };

async function ask(path: string, init: RequestInit & { key?: string } = {}): Promise<Answer> {
  const { key = 'admin-secret', ...rest } = init;
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const response = await fetch(url + path, { headers, ...rest });
  const text = await response.text();
  return {
    status: response.status,
    body: text === '' ? undefined : (JSON.parse(text) as unknown),
    headers: response.headers,
  };
}

function post(path: string, body: unknown, key?: string): Promise<Answer> {
  return ask(path, { method: 'POST', body: JSON.stringify(body), ...(key !== undefined && { key }) });
}

function invalid(...details: readonly [path: string, message: unknown][]): unknown {
  const named = details.map(([path, message]) => ({ path, message }));
  return { error: { code: 'invalid', message: 'the request is not valid', details: named } };
}

describe('the server API', () => {
  it('publishes and answers with the position', async () => {
    const { status, body } = await post('/api/publish', {
      channel: 'room:7',
      event: 'say',
      data: { a: 1 },
      idempotencyKey: 'k',
    });
    expect([status, body]).toEqual([200, { channel: 'room:7', epoch: 'e', offset: 3 }]);
    expect(target.asked).toEqual([['publish', 'room:7', 'say', { a: 1 }, { idempotencyKey: 'k' }]]);
  });

  it('broadcasts, disconnects, unsubscribes and revokes', async () => {
    const answers = [
      await post('/api/broadcast', { event: 'say', data: 1 }),
      await post('/api/disconnect', { user: 'ada', reconnect: true }),
      await post('/api/unsubscribe', { user: 'ada', channel: 'room:7' }),
      await post('/api/revoke', { user: 'ada', issuedBefore: 7 }),
    ];
    expect(answers.map(({ status, body }) => [status, body])).toEqual(
      Array.from({ length: 4 }, () => [200, {}]),
    );
    expect(target.asked).toEqual([
      ['broadcast', 'say', 1, {}],
      ['disconnect', 'ada', { reconnect: true }],
      ['unsubscribe', 'ada', 'room:7'],
      ['revoke', { user: 'ada', issuedBefore: 7 }],
    ]);
  });

  it('reads a page of a history, and says where there is none', async () => {
    const publications = [{ event: 'say', channel: 'room:7', data: 1, offset: 3 }];
    const first = await ask('/api/history?channel=room:7');
    expect(first).toMatchObject({
      status: 200,
      body: { channel: 'room:7', epoch: 'e', offset: 3, publications },
    });
    await ask('/api/history?channel=room:7&after=2&limit=10');
    expect(target.asked).toEqual([
      ['history', 'room:7', {}],
      ['history', 'room:7', { after: 2, limit: 10 }],
    ]);
    expect((await ask('/api/history?channel=lobby')).status).toBe(404);
    for (const query of ['limit=101', 'limit=0', 'after=-1', 'after=x', 'after=1.5'])
      expect((await ask(`/api/history?channel=room:7&${query}`)).status).toBe(400);
  });

  it('lists the connections of a user and tells about the node', async () => {
    expect((await ask('/api/connections?user=ada')).body).toEqual({
      user: 'ada',
      connections: [
        {
          id: 'c1',
          node: 'n1',
          transport: 'websocket',
          address: '127.0.0.1',
          openedAt: 5,
          expiresAt: 99,
          channels: ['user:ada'],
        },
      ],
    });
    expect((await ask('/api/presence?user=ada')).body).toEqual({ user: 'ada', online: true });
    expect((await ask('/api/presence?channel=room:7&after=abe&limit=1')).body).toEqual({
      channel: 'room:7',
      version: 7,
      members: [{ user: 'ada', connections: 2 }],
      more: true,
    });
    expect((await ask('/api/presence?channel=lobby')).status).toBe(404);
    for (const query of ['', '?user=ada&channel=room:7', '?channel=room:7&limit=1001'])
      expect((await ask(`/api/presence${query}`)).status).toBe(400);
    expect((await ask('/api/info', { key: 'read-secret' })).body).toMatchObject({
      node: 'n1',
      backplane: { up: true },
    });
  });

  it.each(['connections', 'presence'])('answers unavailable to %s while Redis is away', async (name) => {
    target.isAway = true;
    const { status, body } = await ask(`/api/${name}?user=ada`);
    target.isAway = false;
    expect([status, body]).toEqual([
      503,
      { error: { code: 'unavailable', message: expect.any(String) as string } },
    ]);
  });

  it.each<[string, unknown, unknown]>([
    ['a missing field', { event: 'say' }, invalid(['channel', expect.any(String)])],
    ['a wrong type', { channel: 7, event: 'say' }, invalid(['channel', expect.any(String)])],
    [
      'a bad channel name',
      { channel: 'a{b}', event: 'say' },
      invalid(['channel', expect.stringContaining('1-200 bytes')]),
    ],
    [
      "a user's channel that is nobody's, as the id is not percent-encoded",
      { channel: 'user:ada@example.com', event: 'say' },
      invalid(['channel', expect.stringContaining('percent-encoded')]),
    ],
    [
      "an event of the system's",
      { channel: 'a', event: '$welcome' },
      invalid(['event', expect.stringContaining('not start with $')]),
    ],
    ['an unknown field', { channel: 'a', event: 'say', chanel: 'b' }, invalid(['chanel', 'unknown field'])],
    [
      'an empty idempotency key',
      { channel: 'a', event: 'e', idempotencyKey: '' },
      invalid(['idempotencyKey', 'must be 1-128 bytes']),
    ],
    ['no object', ['a'], invalid(['', expect.any(String)])],
  ])('answers 400 with the path for %s', async (_what, input, expected) => {
    const { status, body } = await post('/api/publish', input);
    expect([status, body]).toEqual([400, expected]);
    expect(target.asked).toEqual([]);
  });

  it('names every wrong field at once, in queries and across fields too', async () => {
    expect((await post('/api/publish', { channel: '', event: '' })).body).toEqual(
      invalid(['channel', expect.any(String)], ['event', expect.any(String)]),
    );
    expect((await ask('/api/connections?user=a&user=b')).body).toEqual(invalid(['user', expect.any(String)]));
    expect((await ask('/api/connections')).body).toEqual(invalid(['user', expect.any(String)]));
    expect((await post('/api/revoke', {})).body).toEqual(invalid(['', 'needs user, jti or issuedBefore']));
  });

  it("maps a publication's failure to its status and gives the key to repeat it with", async () => {
    target.published = {
      ok: false,
      error: { code: 'unavailable', message: 'away' },
      idempotencyKey: 'generated',
    };
    const { status, body } = await post('/api/publish', { channel: 'a', event: 'say' });
    expect([status, body]).toEqual([
      503,
      { error: { code: 'unavailable', message: 'away', details: { idempotencyKey: 'generated' } } },
    ]);
  });

  it('answers 401 without a key or with a wrong one, and 403 where the scope is too small', async () => {
    expect((await ask('/api/info', { headers: {} })).status).toBe(401);
    expect((await ask('/api/info', { key: 'nonsense' })).status).toBe(401);
    expect((await ask('/api/info', { headers: { authorization: 'Basic YTpi' } })).status).toBe(401);
    expect((await post('/api/publish', { channel: 'a', event: 'e' }, 'read-secret')).status).toBe(403);
    expect((await post('/api/disconnect', { user: 'a' }, 'publish-secret')).status).toBe(403);
    expect((await post('/api/publish', { channel: 'a', event: 'e' }, 'publish-secret')).status).toBe(200);
  });

  it('blocks an address after too many wrong keys, the right one included', async () => {
    for (let attempt = 0; attempt < 3; attempt += 1) await ask('/api/info', { key: `guess-${attempt}` });
    const { status, headers } = await ask('/api/info');
    expect([status, headers.get('retry-after')]).toEqual([429, '2']);
  });

  it('does not count a missing key or a scope as a guess', async () => {
    await ask('/api/info', { headers: {} });
    await post('/api/disconnect', { user: 'a' }, 'read-secret');
    expect(failures.failures).toBe(0);
  });

  it('answers 404 for what is not there and 405 for a wrong method', async () => {
    expect((await post('/api/notify', {})).status).toBe(404);
    expect((await ask('/api/publish')).status).toBe(405);
  });

  it('serves an OpenAPI 3.1 document of exactly its operations, without a key', async () => {
    const { status, body } = await ask('/api/openapi.json', { headers: {} });
    expect(status).toBe(200);
    expect(body).toMatchObject({ openapi: '3.1.0' });
    const { paths } = body as { paths: Record<string, Record<string, unknown>> };
    expect(Object.entries(paths).map(([path, item]) => `${Object.keys(item).join()} ${path}`)).toEqual([
      'post /api/publish',
      'post /api/broadcast',
      'post /api/disconnect',
      'post /api/unsubscribe',
      'post /api/revoke',
      'get /api/history',
      'get /api/connections',
      'get /api/presence',
      'get /api/info',
    ]);
    expect(paths['/api/publish']?.['post']).toMatchObject({
      requestBody: {
        content: {
          'application/json': { schema: { required: ['channel', 'event'], additionalProperties: false } },
        },
      },
    });
    expect(paths['/api/connections']?.['get']).toMatchObject({
      parameters: [{ name: 'user', in: 'query', required: true }],
    });
  });
});

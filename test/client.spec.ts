import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import type { RealtimeClient, RealtimeOptions } from '@aerie/client';
import { stream } from '@aerie/client/reading';
import { CurrentSession, RealtimeModule, RealtimeService, Refusal, type Session } from '@aerie/realtime';
import { BadRequestException, type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { concatMap, from, map, timer, type Observable } from 'rxjs';
import { WebSocket } from 'ws';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { Clients, type Events, story, when } from './support/clients.js';
import { JWT_SECRET, type RunningGateway, startGateway, tokenFor } from './support/gateway.js';
import { startTcpProxy } from './support/tcp-proxy.js';

const CHANNELS = JSON.stringify({
  channels: [{ pattern: 'room:{id}', subscribe: 'authenticated', publish: 'authenticated' }],
});
const PER_USER = 4;

const clients = new Clients();
let left: RunningGateway;
let right: RunningGateway;

beforeAll(async () => {
  const env = {
    CHANNELS,
    REDIS_URL: inject('redisUrl'),
    REDIS_PREFIX: `client-${randomUUID()}:`,
    MAX_CONNECTIONS_PER_USER: String(PER_USER),
  };
  [left, right] = await Promise.all([startGateway(env), startGateway(env)]);
});
afterAll(() => Promise.all([left.stop(), right.stop()]));

// No wait between attempts but the one that a server asked for.
beforeEach(() => void vi.spyOn(Math, 'random').mockReturnValue(0));
afterEach(() => {
  clients.closeAll();
  vi.restoreAllMocks();
});

const token = (): string => tokenFor('alice');

describe('a client is let in', () => {
  it.each<[string, () => RealtimeOptions]>([
    ['a token in the first message', () => ({ token })],
    ['a token in the subprotocol', () => ({ token, tokenVia: 'subprotocol' })],
    ['a ticket', () => ({ ticket: () => left.ticket(token()) })],
    [
      'a short-lived token in the address',
      () => ({ token: () => tokenFor('alice', { exp: Date.now() / 1_000 + 30 }), tokenVia: 'query' }),
    ],
    ['a token, through the ws package', () => ({ token, webSocket: WebSocket })],
  ])('with %s', async (_how, options) => {
    const client = await clients.open(left.ws(), options());
    expect(await when(client, 'open')).toMatchObject({ welcome: { user: 'alice', transport: 'websocket' } });
  });

  it('with the next token when the first was no good', async () => {
    const tokens = ['not.a.token', token()];
    const client = clients.create(left.ws(), { token: () => tokens.shift() ?? '' });
    const states = story(client);
    client.connect();
    await when(client, 'open');
    expect(states[1]).toMatchObject({ cause: { code: 4001, reason: 'token invalid' } });
  });
});

describe('a client learns why it is not let in', () => {
  async function fate(url: string, options: RealtimeOptions): Promise<unknown> {
    const client = clients.create(url, options);
    client.connect();
    return Promise.race([when(client, 'stopped'), when(client, 'waiting')]);
  }
  const foreign = { origin: 'https://evil.example' };
  function foreignHeaders(given: HeadersInit | undefined): Headers {
    const headers = new Headers(given);
    headers.set('origin', foreign.origin);
    return headers;
  }
  class ForeignSocket extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols, { headers: foreign });
    }
  }

  it('401: its credential is refused, and after the third it stops', async () => {
    const client = clients.create(left.ws(), { token: () => 'not.a.token', tokenVia: 'subprotocol' });
    const states = story(client);
    client.connect();
    const { cause } = await when(client, 'stopped');
    expect(cause).toMatchObject({ reason: 'unauthenticated', error: { code: 'unauthenticated' } });
    expect(states.filter(({ status }) => status === 'connecting')).toHaveLength(3);
  });

  it('403: its origin may not', async () => {
    const options: RealtimeOptions = {
      token,
      tokenVia: 'subprotocol',
      webSocket: ForeignSocket,
      fetch: (url, init) => fetch(url, { ...init, headers: foreignHeaders(init?.headers) }),
    };
    expect(await fate(left.ws(), options)).toMatchObject({
      status: 'stopped',
      cause: { reason: 'forbidden' },
    });
  });

  it('404: there is nothing at the address', async () => {
    const state = await fate(`${left.url}/nowhere`, { token, tokenVia: 'subprotocol' });
    expect(state).toMatchObject({ status: 'stopped', cause: { reason: 'not_found' } });
  });

  it('429: its user has too many connections, and when to come back', async () => {
    const options: RealtimeOptions = { token: () => tokenFor('crowd'), tokenVia: 'subprotocol' };
    await Promise.all(Array.from({ length: PER_USER }, () => clients.open(left.ws(), options)));
    const state = await fate(left.ws(), options);
    expect(state).toMatchObject({ status: 'waiting', retryInMs: 5_000, cause: { reason: 'rate_limited' } });
  });

  it('nobody answers', async () => {
    const proxy = await startTcpProxy(left.port);
    await proxy.close();
    const state = await fate(`ws://127.0.0.1:${proxy.port}/ws`, { token });
    expect(state).toMatchObject({ status: 'waiting', cause: { code: 1006, reason: 'connection lost' } });
  });
});

describe('channels over two gateways', () => {
  it('carry publications from one to the other, with their sender', async () => {
    const alice = await clients.open(left.ws(), { token });
    const bob = await clients.open(right.ws(), { token: () => tokenFor('bob') });
    const heard: unknown[] = [];
    for (const client of [alice, bob]) {
      const room = client.channel('room:both');
      room.on('say', (data, frame) => heard.push([data, frame.from]));
      await room.subscribe();
    }
    expect(await alice.channel('room:both').publish('say', 1)).toEqual({ channel: 'room:both' });
    await vi.waitFor(() => expect(heard).toHaveLength(2));
    await bob.channel('room:both').publish('say', 2);
    await vi.waitFor(() => expect(heard).toHaveLength(4));
    expect(heard).toEqual([
      [1, 'alice'],
      [1, 'alice'],
      [2, 'bob'],
      [2, 'bob'],
    ]);
  });

  it('refuse what no rule allows, and say so in their state', async () => {
    const client = await clients.open(left.ws(), { token });
    const secret = client.channel('secret:plans');
    await expect(secret.subscribe()).rejects.toMatchObject({ code: 'forbidden' });
    await expect(secret.publish('say', 1)).rejects.toMatchObject({ code: 'forbidden' });
    expect(secret.state).toMatchObject({ status: 'refused' });
  });

  it('are left when the server takes them back', async () => {
    const client = await clients.open(left.ws(), { token });
    const room = client.channel('room:closed');
    await room.subscribe();
    const takenBack = new Promise((resolve) => room.onState(resolve));
    await right.api('unsubscribe', { user: 'alice', channel: 'room:closed' });
    expect(await takenBack).toEqual({ status: 'unsubscribed', reason: 'removed' });
  });

  it('announce a publication once, though its connection was cut before the reply', async () => {
    const proxy = await startTcpProxy(left.port);
    const observer = await clients.open(right.ws(), { token: () => tokenFor('observer') });
    const heard: number[] = [];
    observer.channel('room:once').on('say', (data) => heard.push(data));
    await observer.channel('room:once').subscribe();

    const publisher = await clients.open(`ws://127.0.0.1:${proxy.port}/ws`, { token });
    proxy.setMode('mute');
    const publishing = publisher.channel('room:once').publish('say', 1);
    await vi.waitFor(() => expect(heard).toEqual([1]));
    proxy.setMode('cut');
    proxy.setMode('pass');
    expect(await publishing).toEqual({ channel: 'room:once' });
    await publisher.channel('room:once').publish('say', 2);
    await vi.waitFor(() => expect(heard).toContain(2));
    expect(heard).toEqual([1, 2]);
    await proxy.close();
  });
});

describe('messages to a Nest application', () => {
  let app: INestApplication;
  let client: RealtimeClient<Events>;

  beforeAll(async () => {
    app = await NestFactory.create(OrdersModule, { logger: false });
    await app.listen(0, '127.0.0.1');
  });
  beforeEach(async () => {
    client = await clients.open(`${await app.getUrl()}/ws`, { token });
  });
  afterAll(() => app.close());

  it('are answered with what the handler returns', async () => {
    const reply = await client.request<{ id: number; by: string }>('order.get', { id: 7 });
    expect(reply).toEqual({ id: 7, by: 'alice' });
  });

  it('are answered with a stream of replies', async () => {
    const seen: string[] = [];
    for await (const status of stream<string>(client, 'order.follow')) seen.push(status);
    expect(seen).toEqual(['packed', 'sent', 'delivered']);
    expect(await client.request('order.follow')).toBe('packed');
  });

  it('fail with the code of what the handler threw', async () => {
    await expect(client.request('order.bad')).rejects.toMatchObject({
      code: 'invalid',
      message: 'no such size',
    });
    await expect(client.request('order.secret')).rejects.toMatchObject({ code: 'forbidden' });
    await expect(client.request('order.broken')).rejects.toMatchObject({ code: 'internal' });
    await expect(client.request('order.unheard')).rejects.toMatchObject({ code: 'unknown_event' });
    await expect(client.request('order.get', 'x'.repeat(70_000))).rejects.toMatchObject({
      code: 'too_large',
    });
    await expect(client.request('order.never', {}, { timeoutMs: 100 })).rejects.toMatchObject({
      code: 'timeout',
    });
  });

  it('fail in the middle of a stream', async () => {
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const reply of stream(client, 'order.tears')) seen.push(reply);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'invalid' });
    expect(seen).toEqual([1, 2]);
  });

  it('go the other way as typed events', async () => {
    const status = new Promise((resolve) => client.on('order.status', resolve));
    await app
      .get<RealtimeService<Events>>(RealtimeService)
      .user('alice')
      .emit('order.status', { id: 7, status: 'paid' });
    expect(await status).toEqual({ id: 7, status: 'paid' });
  });
});

@WebSocketGateway({ path: '/ws' })
class OrdersGateway {
  @SubscribeMessage('order.get')
  get(@MessageBody() { id }: { id: number }, @CurrentSession() session: Session) {
    return { id, by: session.user };
  }

  @SubscribeMessage('order.follow')
  follow(): Observable<string> {
    return from(['packed', 'sent', 'delivered']).pipe(
      concatMap((status) => timer(5).pipe(map(() => status))),
    );
  }

  @SubscribeMessage('order.tears')
  tears(): Observable<number> {
    return from([1, 2, 3]).pipe(concatMap((count) => timer(5).pipe(map(() => whole(count)))));
  }

  @SubscribeMessage('order.bad')
  bad() {
    throw new BadRequestException('no such size');
  }

  @SubscribeMessage('order.secret')
  secret() {
    return new Refusal('forbidden', 'not yours');
  }

  @SubscribeMessage('order.broken')
  broken() {
    throw new Error('a bug');
  }

  @SubscribeMessage('order.never')
  never() {
    return new Promise(() => undefined);
  }
}

function whole(count: number): number {
  if (count === 3) throw new BadRequestException('torn');
  return count;
}

@Module({
  imports: [RealtimeModule.forRoot({ auth: { jwt: { secret: JWT_SECRET } } })],
  providers: [OrdersGateway],
})
class OrdersModule {}

import {
  createServer,
  get as httpGet,
  request as httpRequest,
  type IncomingMessage,
  type Server,
} from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { Controller, Get, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { Server as SocketIoServer } from 'socket.io';
import { io } from 'socket.io-client';
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { HttpEdge } from './http-edge.js';
import { Refusal } from '../refusal.js';
import { pathOf } from './request-target.js';

const endings: (() => unknown)[] = [];

let logged: MockInstance<Logger['error']>;

beforeEach(() => {
  logged = vi.spyOn(Logger.prototype, 'error').mockReturnValue();
});

afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endings.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** An edge whose `/ws` answers "aerie" to whoever connects. */
function edgeWithSocket(): HttpEdge {
  const edge = new HttpEdge();
  const sockets = new WebSocketServer({ noServer: true });
  sockets.on('connection', (socket) => socket.send('aerie'));
  endings.push(() => sockets.close());
  edge.onUpgrade(
    (request) => pathOf(request) === '/ws',
    (request, socket, head) =>
      sockets.handleUpgrade(request, socket, head, (client) => sockets.emit('connection', client, request)),
  );
  return edge;
}

async function firstMessage(url: string): Promise<string> {
  const socket = new WebSocket(url);
  endings.push(() => socket.terminate());
  const [data] = (await once(socket, 'message')) as [Buffer];
  return data.toString();
}

async function statusOf(url: string): Promise<number | undefined> {
  const socket = new WebSocket(url);
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
  socket.on('error', () => {});
  socket.terminate();
  return response.statusCode;
}

describe('HttpEdge on a server of its own', () => {
  it('answers its routes, with safe headers, and 404 for the rest', async () => {
    const edge = new HttpEdge();
    const server = createServer();
    edge.attach(server);
    edge.add({
      method: 'GET',
      path: '/rooms/:name',
      handle: ({ params }) => ({ body: { name: params['name'] } }),
    });
    const port = await listen(server);

    const found = await fetch(`http://127.0.0.1:${port}/rooms/a%2Fb?token=x`);
    expect(await found.json()).toEqual({ name: 'a/b' });
    expect(found.headers.get('x-content-type-options')).toBe('nosniff');
    expect(found.headers.get('cache-control')).toBe('no-store');

    const missing = await fetch(`http://127.0.0.1:${port}/nowhere`);
    expect(missing.status).toBe(404);
    expect(await missing.json()).toEqual({ error: { code: 'not_found', message: 'nothing is here' } });
  });

  it('answers HEAD as GET and 405 with Allow', async () => {
    const edge = new HttpEdge();
    const server = createServer();
    edge.attach(server);
    edge.add({ method: 'GET', path: '/a', handle: () => ({ body: 'text' }) });
    const port = await listen(server);

    const head = await fetch(`http://127.0.0.1:${port}/a`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '4', '']);
    const wrong = await fetch(`http://127.0.0.1:${port}/a`, { method: 'DELETE' });
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  it('turns a Refusal into its status, Retry-After and body, and a throw into 500 that tells nothing', async () => {
    const edge = new HttpEdge();
    const server = createServer();
    edge.attach(server);
    edge.add({
      method: 'GET',
      path: '/full',
      handle: () => new Refusal('draining', 'later', { retryAfterSeconds: 7 }),
    });
    edge.add({
      method: 'GET',
      path: '/broken',
      handle: () => {
        throw new Error('the secret is 42');
      },
    });
    const port = await listen(server);

    const full = await fetch(`http://127.0.0.1:${port}/full`);
    expect([full.status, full.headers.get('retry-after'), full.headers.get('connection')]).toEqual([
      503,
      '7',
      'close',
    ]);
    expect(await full.json()).toEqual({ error: { code: 'draining', message: 'later' } });

    const broken = await fetch(`http://127.0.0.1:${port}/broken?token=t`);
    expect(broken.status).toBe(500);
    expect(logged).toHaveBeenCalledWith('GET /broken failed', expect.any(String));
    expect(await broken.json()).toEqual({ error: { code: 'internal', message: 'internal error' } });
  });

  it('cuts an answer whose route fails in the middle of it', async () => {
    const edge = new HttpEdge();
    const server = createServer();
    edge.attach(server);
    edge.add({
      method: 'GET',
      path: '/half',
      handle: ({ response }) => {
        response.writeHead(200, { 'content-type': 'text/plain' });
        response.write('half');
        throw new Error('the other half');
      },
    });
    const half = fetch(`http://127.0.0.1:${await listen(server)}/half`).then((response) => response.text());
    await expect(half).rejects.toThrow();
  });

  it('says Connection: close while the node closes', async () => {
    let closing = false;
    const edge = new HttpEdge({ closing: () => closing });
    const server = createServer();
    edge.attach(server);
    edge.add({ method: 'GET', path: '/a', handle: () => ({}) });
    const port = await listen(server);

    expect((await fetch(`http://127.0.0.1:${port}/a`)).headers.get('connection')).toBe('keep-alive');
    closing = true;
    const last = await fetch(`http://127.0.0.1:${port}/a`);
    expect([last.status, last.headers.get('connection')]).toEqual([204, 'close']);
  });

  it('hands over upgrades to its paths and destroys unknown ones unless told what to do', async () => {
    const edge = edgeWithSocket();
    const server = createServer();
    edge.attach(server);
    const port = await listen(server);

    expect(await firstMessage(`ws://127.0.0.1:${port}/ws?ticket=x`)).toBe('aerie');
    const gone = new WebSocket(`ws://127.0.0.1:${port}/other`);
    await once(gone, 'error');

    edge.onUnknownUpgrade((_request, socket) =>
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n'),
    );
    expect(await statusOf(`ws://127.0.0.1:${port}/other`)).toBe(404);
  });

  it('counts what its server accepts, until it lets go', async () => {
    const edge = new HttpEdge();
    const server = createServer();
    edge.attach(server);
    const port = await listen(server);
    const open = async (): Promise<void> => {
      const accepted = once(server, 'connection');
      const socket = connect(port, '127.0.0.1');
      endings.push(() => socket.destroy());
      await accepted;
    };
    await open();
    await open();
    expect(edge.accepted).toBe(2);
    edge.detach();
    await open();
    expect(edge.accepted).toBe(2);
  });

  it('destroys the socket of an upgrade whose handler throws', async () => {
    const edge = new HttpEdge();
    const server = createServer();
    edge.attach(server);
    edge.onUpgrade(
      () => true,
      () => {
        throw new Error('bug');
      },
    );
    const socket = new WebSocket(`ws://127.0.0.1:${await listen(server)}/ws`);
    await once(socket, 'error');
  });

  it('takes routes and handlers before and after it attaches, and lets them go', async () => {
    const edge = new HttpEdge();
    const server = createServer();
    const removeEarly = edge.add({ method: 'GET', path: '/early', handle: () => ({ body: 'early' }) });
    edge.attach(server);
    edge.add({ method: 'GET', path: '/late', handle: () => ({ body: 'late' }) });
    const port = await listen(server);

    expect(await (await fetch(`http://127.0.0.1:${port}/early`)).text()).toBe('early');
    expect(await (await fetch(`http://127.0.0.1:${port}/late`)).text()).toBe('late');
    removeEarly();
    expect((await fetch(`http://127.0.0.1:${port}/early`)).status).toBe(404);
  });

  it('answers the absolute form that a proxy sends', async () => {
    const edge = new HttpEdge();
    const server = createServer();
    edge.attach(server);
    edge.add({ method: 'GET', path: '/a', handle: ({ query }) => ({ body: query.get('q') ?? '' }) });
    const port = await listen(server);
    const request = httpGet({ port, host: '127.0.0.1', path: 'http://example.com/a?q=1' });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(200);
  });
});

describe('HttpEdge beside an application', () => {
  it('leaves every other path and the request stream to the application', async () => {
    const edge = new HttpEdge();
    const server = createServer((request, response) => request.pipe(response));
    edge.attach(server);
    edge.add({ method: 'GET', path: '/own', handle: () => ({ body: 'own' }) });
    const port = await listen(server);

    const echoed = await fetch(`http://127.0.0.1:${port}/echo`, { method: 'POST', body: 'the body' });
    expect(await echoed.text()).toBe('the body');
    expect(await (await fetch(`http://127.0.0.1:${port}/own`)).text()).toBe('own');
  });

  it('leaves an upgrade to another protocol an ordinary request', async () => {
    const edge = edgeWithSocket();
    const server = createServer((request, response) => request.pipe(response));
    edge.attach(server);
    const port = await listen(server);
    const request = httpRequest({
      port,
      host: '127.0.0.1',
      method: 'POST',
      headers: { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c' },
    });
    request.end('posted by Java');
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const [body] = (await once(response, 'data')) as [Buffer];
    expect(body.toString()).toBe('posted by Java');
  });

  it.each(['before', 'after'] as const)(
    'shares the server with a ws server that came %s it',
    async (order) => {
      const server = createServer();
      const edge = edgeWithSocket();
      if (order === 'after') edge.attach(server);
      const other = new WebSocketServer({ server, path: '/other' });
      other.on('connection', (socket) => socket.send('other'));
      endings.push(() => other.close());
      if (order === 'before') edge.attach(server);
      const port = await listen(server);

      expect(await firstMessage(`ws://127.0.0.1:${port}/ws`)).toBe('aerie');
      expect(await firstMessage(`ws://127.0.0.1:${port}/other`)).toBe('other');
    },
  );

  it('leaves an unknown path to another ws server, which refuses it its own way', async () => {
    const server = createServer();
    const unknown = vi.fn();
    const edge = edgeWithSocket();
    edge.onUnknownUpgrade(unknown);
    edge.attach(server);
    const other = new WebSocketServer({ server, path: '/other' });
    endings.push(() => other.close());
    const port = await listen(server);

    expect(await statusOf(`ws://127.0.0.1:${port}/nobody`)).toBe(400);
    expect(unknown).not.toHaveBeenCalled();
  });

  it('shares the server with socket.io, over polling and over WebSocket, past the second after which engine.io ends strangers', async () => {
    const server = createServer();
    const edge = edgeWithSocket();
    edge.attach(server);
    const socketIo = new SocketIoServer(server);
    socketIo.on('connection', (socket) =>
      socket.on('ask', (answer: (text: string) => void) => answer('socket.io')),
    );
    endings.push(() => socketIo.close());
    const port = await listen(server);

    const own = new WebSocket(`ws://127.0.0.1:${port}/ws`);
    endings.push(() => own.terminate());
    await once(own, 'open');
    for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
      const client = io(`http://127.0.0.1:${port}`, { transports, forceNew: true });
      endings.push(() => client.disconnect());
      expect(await client.timeout(5_000).emitWithAck('ask')).toBe('socket.io');
    }
    const later = await firstMessage(`ws://127.0.0.1:${port}/ws`);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect([later, own.readyState]).toEqual(['aerie', WebSocket.OPEN]);
  });

  it.each(['express', 'fastify'] as const)(
    "shares a Nest app on %s with Nest's own WsAdapter",
    async (platform) => {
      @WebSocketGateway({ path: '/nest' })
      class NestGateway {
        @SubscribeMessage('ask')
        answer() {
          return { event: 'answer', data: 'nest' };
        }
      }
      @Controller()
      class AppController {
        @Get('app')
        get() {
          return 'app';
        }
      }
      @Module({ controllers: [AppController], providers: [NestGateway] })
      class AppModule {}

      const app =
        platform === 'express'
          ? await NestFactory.create(AppModule, { logger: false })
          : await NestFactory.create(AppModule, new FastifyAdapter(), { logger: false });
      app.useWebSocketAdapter(new WsAdapter(app));
      const edge = edgeWithSocket();
      edge.attach(app.getHttpServer() as Server);
      edge.add({ method: 'GET', path: '/own', handle: () => ({ body: 'own' }) });
      endings.push(() => app.close());
      await app.listen(0, '127.0.0.1');
      const url = `127.0.0.1:${new URL(await app.getUrl()).port}`;

      const nest = new WebSocket(`ws://${url}/nest`);
      await once(nest, 'open');
      nest.send(JSON.stringify({ event: 'ask' }));
      const [answer] = (await once(nest, 'message')) as [Buffer];
      expect(JSON.parse(answer.toString())).toEqual({ event: 'answer', data: 'nest' });
      expect(await firstMessage(`ws://${url}/ws`)).toBe('aerie');
      expect(await (await fetch(`http://${url}/app`)).text()).toBe('app');
      expect(await (await fetch(`http://${url}/own`)).text()).toBe('own');
    },
  );

  it('gives the server back on detach, also where somebody wrapped emit after it', async () => {
    const server = createServer((_request, response) => response.end('app'));
    const untouched = server.emit;
    const edge = edgeWithSocket();
    edge.add({ method: 'GET', path: '/own', handle: () => ({ body: 'own' }) });
    edge.attach(server);
    edge.detach();
    expect([server.emit, Object.hasOwn(server, 'emit'), server.listenerCount('upgrade')]).toEqual([
      untouched,
      false,
      0,
    ]);

    edge.attach(server);
    const covered = server.emit.bind(server) as (event: string, ...args: unknown[]) => boolean;
    const seen: string[] = [];
    server.emit = (event: string, ...args: unknown[]) => {
      seen.push(event);
      return covered(event, ...args);
    };
    const port = await listen(server);
    expect(await (await fetch(`http://127.0.0.1:${port}/own`)).text()).toBe('own');
    edge.detach();
    expect(await (await fetch(`http://127.0.0.1:${port}/own`)).text()).toBe('app');
    expect(seen.filter((event) => event === 'request')).toHaveLength(2);
  });

  it('survives a client that goes away while its request is answered', async () => {
    const edge = new HttpEdge();
    const server = createServer();
    edge.attach(server);
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    edge.add({
      method: 'GET',
      path: '/slow',
      handle: async ({ response }) => {
        asked.resolve();
        await once(response, 'close');
        answer.resolve();
        return { body: 'too late' };
      },
    });
    const socket = connect(await listen(server), '127.0.0.1');
    socket.write('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n');
    await asked.promise;
    socket.destroy();
    await answer.promise;
  });
});

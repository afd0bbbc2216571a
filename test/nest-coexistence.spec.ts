import { once } from 'node:events';
import type { Server } from 'node:http';
import { Controller, Get, type INestApplication } from '@nestjs/common';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { WsAdapter } from '@nestjs/platform-ws';
import { MessageBody, SubscribeMessage, WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import { ConnectionRegistry } from '@aerie/realtime';
import { io, type Socket } from 'socket.io-client';
import { WebSocket, WebSocketServer as PlainServer } from 'ws';
import { describe, expect, it, vi } from 'vitest';
import {
  type HttpPlatform,
  type NestApp,
  type NestAppOptions,
  realtime as aerie,
  startNestApp,
} from './support/nest-app.js';

@WebSocketGateway({ path: '/ws' })
class AerieGateway {
  @SubscribeMessage('who')
  who(): string {
    return 'aerie';
  }
}

/** As it stood in the application before Aerie came. */
@WebSocketGateway({ namespace: 'chat', cors: true })
class SocketIoGateway {
  @WebSocketServer() readonly server: unknown;

  @SubscribeMessage('who')
  who(@MessageBody() data: unknown): unknown {
    return { event: 'answer', data };
  }
}

@WebSocketGateway()
class BareGateway {
  @SubscribeMessage('who')
  who(): string {
    return 'bare';
  }
}

@Controller('hello')
class HelloController {
  @Get()
  hello(): string {
    return 'hello';
  }
}

async function socketIo(app: NestApp, transports: ('polling' | 'websocket')[]): Promise<Socket> {
  const socket = io(app.url('/chat'), { transports, reconnection: false });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once('connect', resolve).once('connect_error', reject);
  await promise;
  return socket;
}

const ADAPTERS: readonly [string, (app: INestApplication) => void][] = [
  ['by default', () => undefined],
  ['by useWebSocketAdapter', (app) => void app.useWebSocketAdapter(new IoAdapter(app))],
];

describe.each<HttpPlatform>(['express', 'fastify'])('beside socket.io on %s', (platform) => {
  it.each(ADAPTERS)('both serve the same server: %s', async (_name, prepare) => {
    const providers = [AerieGateway, SocketIoGateway];
    await using app = await startNestApp({ providers }, { platform, prepare });
    for (const transports of [['websocket'], ['polling', 'websocket']] as const) {
      const socket = await socketIo(app, [...transports]);
      const answer = new Promise((resolve) => socket.once('answer', resolve));
      socket.emit('who', 'me');
      expect(await answer).toEqual('me');
      const client = await app.connect('alice');
      expect(await client.request('who')).toMatchObject({ data: 'aerie' });
      socket.disconnect();
    }
    expect(app.get(ConnectionRegistry).size).toBe(2);
  });

  it('leaves paths alone that neither knows', async () => {
    const providers = [AerieGateway, SocketIoGateway];
    await using app = await startNestApp({ providers }, { platform });
    const socket = new WebSocket(app.ws('/elsewhere'));
    const [error] = (await once(socket, 'error')) as [Error];
    expect(error.message).not.toMatch(/404/);
  });
});

describe("an application with Nest's WsAdapter", () => {
  it.each<[string, NestAppOptions['realtime']]>([
    ['whatever paths are named', { paths: ['/elsewhere'] }],
    ['without any', {}],
  ])('has all its gateways behind the handshake: %s', async (_name, realtime) => {
    await using app = await startNestApp(
      { providers: [AerieGateway, BareGateway] },
      { realtime: { ...realtime }, prepare: (nest) => void nest.useWebSocketAdapter(new WsAdapter(nest)) },
    );
    expect(await app.probe('alice', '/ws', { token: 'nonsense' })).toMatchObject({ status: 401 });
    const [client, bare] = [await app.connect('alice'), await app.connect('alice', '/')];
    expect(await client.request('who')).toMatchObject({ data: 'aerie' });
    expect(await bare.request('who')).toMatchObject({ data: 'bare' });
  });
});

describe('an application that installs Aerie twice', () => {
  it('does not start, and says why', async () => {
    await expect(startNestApp({ imports: [aerie()], providers: [AerieGateway] })).rejects.toThrow(
      'RealtimeModule is in this application twice',
    );
  });
});

/** As GraphQL subscriptions do it. */
function graphql(app: INestApplication): void {
  const server = new PlainServer({ server: app.getHttpServer() as Server, path: '/graphql' });
  server.on('connection', (socket) => socket.send('graphql'));
}

describe.each<HttpPlatform>(['express', 'fastify'])('beside a plain ws server on %s', (platform) => {
  it.each(['before', 'after'])('that was bound to the server %s it listens', async (when) => {
    await using app = await startNestApp(
      { providers: [AerieGateway], controllers: [HelloController] },
      { platform, prepare: (nest) => (when === 'before' ? graphql(nest) : undefined) },
    );
    if (when === 'after') graphql(app.app);
    const socket = new WebSocket(app.ws('/graphql'));
    const [message] = (await once(socket, 'message')) as [Buffer];
    expect(message.toString()).toBe('graphql');
    const client = await app.connect('alice');
    expect(await client.request('who')).toMatchObject({ data: 'aerie' });
    expect(await (await fetch(app.url('/hello'))).text()).toBe('hello');
    socket.terminate();
    await client.close();
    await vi.waitFor(() => expect(app.get(ConnectionRegistry).size).toBe(0));
  });
});

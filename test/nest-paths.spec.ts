import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { ConnectedSocket, SubscribeMessage, WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import { type ClientFacade, ConnectionRegistry, type HandshakeRequest } from '@aerie/realtime';
import { openClient } from '@aerie/realtime/testing';
import type { Server } from 'ws';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePort } from './support/free-port.js';
import { tokenFor } from './support/gateway.js';
import { type HttpPlatform, type NestApp, startNestApp } from './support/nest-app.js';

@WebSocketGateway({ path: '/ws' })
class ChatGateway {
  @WebSocketServer() readonly server!: Server;

  @SubscribeMessage('chat')
  chat(): string {
    return 'from chat';
  }
}

@WebSocketGateway({ path: 'ws/' })
class OrdersGateway {
  @WebSocketServer() readonly server!: Server;

  @SubscribeMessage('orders')
  orders(): string {
    return 'from orders';
  }
}

@WebSocketGateway({ path: '/ws/tenants/:tenant' })
class TenantGateway {
  static seen: unknown;
  @WebSocketServer() readonly server!: Server;

  handleConnection(client: ClientFacade, request: HandshakeRequest): void {
    TenantGateway.seen = { client: client.params, request: request.params, query: request.query };
  }

  @SubscribeMessage('where')
  where(@ConnectedSocket() client: ClientFacade): unknown {
    return client.params;
  }
}

describe.each<HttpPlatform>(['express', 'fastify'])('paths of gateways on %s', (platform) => {
  let app: NestApp;
  let port: number;

  beforeAll(async () => {
    port = await freePort();
    @WebSocketGateway(port, { path: '/ws' })
    class PortGateway {
      @SubscribeMessage('port')
      port(): string {
        return 'from its own port';
      }
    }
    const providers = [ChatGateway, OrdersGateway, TenantGateway, PortGateway];
    app = await startNestApp({ providers }, { platform });
  });
  afterAll(() => app.close());

  it('may have several classes', async () => {
    const client = await app.connect('alice');
    expect(await client.request('chat')).toMatchObject({ data: 'from chat' });
    expect(await client.request('orders')).toMatchObject({ data: 'from orders' });
    expect(app.get(ChatGateway).server).toBe(app.get(OrdersGateway).server);
  });

  it('are apart: clients, events, servers', async () => {
    const client = await app.connect('alice', '/ws/tenants/acme');
    expect(await client.request('chat')).toMatchObject({ error: { code: 'unknown_event' } });
    expect(await client.request('where')).toMatchObject({ data: { tenant: 'acme' } });
    const { server } = app.get(TenantGateway);
    expect(server).not.toBe(app.get(ChatGateway).server);
    expect(server.clients.size).toBe(1);
    await client.close();
  });

  it('give their parameters to the request and the client', async () => {
    await app.connect('alice', '/ws/tenants/a%20b?x=1');
    expect(TenantGateway.seen).toEqual({
      client: { tenant: 'a b' },
      request: { tenant: 'a b' },
      query: expect.objectContaining({ x: '1' }) as unknown,
    });
  });

  it.each(['/ws/tenants', '/ws/tenants/a/b', '/wsx', '/'])(
    'that no gateway has are 404: %s',
    async (path) => {
      expect(await app.probe('alice', path)).toMatchObject({ status: 404 });
    },
  );

  it('may lie on a port of their own, behind the same handshake', async () => {
    const url = `ws://127.0.0.1:${port}/ws`;
    await expect(openClient(url, { token: 'nonsense' })).rejects.toMatchObject({ status: 401 });
    const client = await openClient(url, { token: tokenFor('alice') });
    await client.frame('$welcome');
    expect(await client.request('port')).toMatchObject({ data: 'from its own port' });
    expect(await client.request('chat')).toMatchObject({ error: { code: 'unknown_event' } });
    expect(app.get(ConnectionRegistry).ofUser('alice').size).toBeGreaterThan(0);
    await client.close();
  });
});

describe('an application that closes', () => {
  it.each<HttpPlatform>(['express', 'fastify'])(
    'says 1001 to everyone, on every port: %s',
    async (platform) => {
      const port = await freePort();
      @WebSocketGateway(port, { path: '/ws' })
      class PortGateway {}
      const app = await startNestApp({ providers: [ChatGateway, PortGateway] }, { platform });
      const clients = [
        await app.connect('alice'),
        await app.connect('bob'),
        await openClient(`ws://127.0.0.1:${port}/ws`, { token: tokenFor('carol') }),
        await openClient(app.ws()),
      ];
      await vi.waitFor(() => expect(app.get(ConnectionRegistry).size).toBe(3));
      const started = performance.now();
      await app.app.close();
      for (const client of clients) expect(await client.closed).toMatchObject({ code: 1001 });
      expect(performance.now() - started).toBeLessThan(2_000);
    },
  );
});

describe('a gateway whose own port is taken', () => {
  it('keeps the application from starting, with an error that can be caught', async () => {
    const taken = createServer().listen(0);
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    @WebSocketGateway(port, { path: '/ws/late' })
    class LateGateway {}
    try {
      await expect(startNestApp({ providers: [LateGateway] })).rejects.toThrow(/EADDRINUSE/);
    } finally {
      taken.close();
    }
  });
});

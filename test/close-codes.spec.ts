import { CLOSE, type CloseName } from '@aerie/protocol';
import {
  type ClientFacade,
  type Connection,
  ConnectionRegistry,
  type HandshakeRequest,
  RealtimeService,
  type Session,
} from '@aerie/realtime';
import { type ClosedWith, openClient, type TestClient } from '@aerie/realtime/testing';
import {
  type CanActivate,
  type ExecutionContext,
  Injectable,
  ServiceUnavailableException,
  UseGuards,
} from '@nestjs/common';
import { type OnGatewayConnection, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Drain } from '@aerie/realtime/drain';
import { nowSeconds, tokenFor } from './support/gateway.js';
import { type NestApp, startNestApp } from './support/nest-app.js';

@Injectable()
class Unlucky implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { session } = context.switchToHttp().getRequest<HandshakeRequest>();
    if (session?.user === 'unlucky') throw new ServiceUnavailableException();
    return true;
  }
}

@WebSocketGateway({ path: '/ws' })
@UseGuards(Unlucky)
class Fragile implements OnGatewayConnection {
  handleConnection({ session }: { session: Session }): void {
    if (session.user === 'fragile') throw new Error('handleConnection failed');
  }

  @SubscribeMessage('bye')
  bye(client: ClientFacade): void {
    client.close();
  }
}

const limits = { maxConnectionsPerUser: 1, userOverflow: 'replace' } as const;
let app: NestApp;
beforeAll(async () => {
  app = await startNestApp(
    { providers: [Fragile, Unlucky] },
    { realtime: { limits, drain: { windowMs: 500 } } },
  );
});
afterAll(() => app.close());

const clients: TestClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client[Symbol.dispose]();
  await expect.poll(() => app.get(ConnectionRegistry).size).toBe(0);
});

async function connected(user = 'alice', claims: Record<string, unknown> = {}): Promise<TestClient> {
  const client = await openClient(app.ws(), { token: tokenFor(user, claims) });
  clients.push(client);
  await client.frame('$welcome');
  return client;
}

async function afterFirst(data: unknown, event = '$auth'): Promise<ClosedWith> {
  const client = await openClient(app.ws());
  clients.push(client);
  client.send(event, data);
  return client.closed;
}

// One way into every close that a server knows; the type makes sure that none is missing.
const WAYS: Readonly<Record<CloseName, () => Promise<ClosedWith>>> = {
  normal: async () => {
    const client = await connected();
    client.send('bye');
    return client.closed;
  },
  protocolError: async () => {
    const client = await connected();
    client.socket.send('{"event":"$ping"}', { mask: false });
    return client.closed;
  },
  invalidData: async () => {
    const client = await connected();
    client.socket.send(Buffer.from([0x22, 0xff, 0x22]), { binary: false });
    return client.closed;
  },
  policy: () => afterFirst({}, 'hello'),
  replaced: async () => {
    const first = await connected();
    await connected();
    return first.closed;
  },
  tooLarge: async () => {
    const client = await connected();
    client.socket.send('x'.repeat(65_537));
    return client.closed;
  },
  serverFault: async () => {
    const client = await openClient(app.ws(), { token: tokenFor('fragile') });
    clients.push(client);
    return client.closed;
  },
  overloaded: () => afterFirst({ token: tokenFor('unlucky') }),
  tokenInvalid: () => afterFirst({ token: 'a.b.c' }),
  authTimeout: async () => (await openClient(app.ws())).closed,
  slowConsumer: async () => {
    const client = await connected();
    const [connection] = app.get(ConnectionRegistry).ofUser('alice');
    client.socket.pause();
    await overfeed(connection, 'alice');
    client.socket.resume();
    return client.closed;
  },
  sessionEnded: async () => (await connected('alice', { exp: nowSeconds() + 1 })).closed,
  disconnected: async () => {
    const client = await connected();
    await app.get<RealtimeService>(RealtimeService).user('alice').disconnect();
    return client.closed;
  },
  rateLimited: async () => {
    const client = await connected();
    for (let sent = 0; sent < 300; sent += 1) client.send('$ping');
    return client.closed;
  },
  goingAway: async () => {
    const client = await connected();
    void app.get(Drain).begin();
    expect(await client.frame('$reconnect')).toMatchObject({
      data: { afterMs: expect.any(Number) as unknown },
    });
    return client.closed;
  },
};

describe('a connection ends', () => {
  // The drain comes last: nobody gets in after it.
  const names = (Object.keys(WAYS) as CloseName[]).toSorted(
    (a, b) => Number(a === 'goingAway') - Number(b === 'goingAway'),
  );

  it.each(names)('as %s, with that code and its one reason text', async (name) => {
    const { code, reason } = CLOSE[name];
    const closed = await WAYS[name]();
    expect(closed).toEqual({ code, reason });
  });
});

describe('persistent bad frames', () => {
  it('end a connection with 1008 at a hundred within 10 s, where the rate limit has not ended it before', async () => {
    const lax = { messagesPerSecond: 1_000_000, messagesBurst: 1_000_000 };
    await using generous = await startNestApp(
      { providers: [Fragile, Unlucky] },
      { realtime: { limits: lax } },
    );
    const client = await openClient(generous.ws(), { token: tokenFor('alice') });
    await client.frame('$welcome');
    for (let sent = 0; sent < 99; sent += 1) client.socket.send('garbage{');
    expect(await client.request('$ping')).toMatchObject({ event: '$pong' });
    client.socket.send('garbage{');
    expect(await client.closed).toEqual({ code: 1008, reason: 'policy violation' });
    expect(client.received.filter(({ error }) => error?.code === 'bad_frame')).toHaveLength(99);
  });

  it('cost ten messages each: with the usual limits 21 at once are 4429', async () => {
    await using usual = await startNestApp({ providers: [Fragile, Unlucky] });
    const client = await openClient(usual.ws(), { token: tokenFor('alice') });
    await client.frame('$welcome');
    for (let sent = 0; sent < 25; sent += 1) client.socket.send('garbage{');
    expect(await client.closed).toEqual({ code: 4429, reason: 'rate limited' });
  });
});

// A publication leaves in the turn after it was made: without a pause the loop would only fill that one turn.
async function overfeed(connection: Connection | undefined, user: string): Promise<void> {
  for (let sent = 0; sent < 500; sent += 1) {
    if (connection?.isOpen !== true) return;
    await app.get<RealtimeService>(RealtimeService).user(user).emit('big', 'x'.repeat(100_000));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

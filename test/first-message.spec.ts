import { openClient, probeUpgrade, type TestClient } from '@aerie/realtime/testing';
import {
  type CanActivate,
  type ExecutionContext,
  Injectable,
  ServiceUnavailableException,
  UnauthorizedException,
  UseGuards,
} from '@nestjs/common';
import { ConnectionRegistry, type HandshakeRequest } from '@aerie/realtime';
import { type OnGatewayConnection, WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nowSeconds, type RunningGateway, someAddress, startGateway, tokenFor } from './support/gateway.js';
import { type NestApp, startNestApp } from './support/nest-app.js';

const POLICY = { code: 1008, reason: 'policy violation' };
const NOT_IN_TIME = { code: 4002, reason: 'not authenticated in time' };

describe('a client that says who it is in its first message', () => {
  let gateway: RunningGateway;
  beforeAll(async () => {
    gateway = await startGateway({ TRUST_PROXY: 'loopback', MAX_QUARANTINE: '20' });
  });
  afterAll(() => gateway.stop());

  const open = (address = someAddress()): Promise<TestClient> =>
    openClient(gateway.ws(), { headers: { 'x-forwarded-for': address } });

  it('is answered, welcomed and registered; frames behind the $auth are answered after the welcome', async () => {
    using client = await open();
    client.socket.send(JSON.stringify({ event: '$auth', data: { token: tokenFor('alice') }, id: 'a' }));
    client.socket.send(JSON.stringify({ event: '$ping', id: 'p' }));
    await client.frame(({ id }) => id === 'p');
    expect(client.received.map(({ id, event }) => id ?? event)).toEqual(['a', '$welcome', 'p']);
    expect(client.received[0]).toMatchObject({ data: { expiresAt: expect.any(Number) as unknown } });
    expect(client.received[1]).toMatchObject({ data: { user: 'alice' } });
  });

  it('may come with a ticket, once', async () => {
    const ticket = await gateway.ticket(tokenFor('tim'));
    using first = await open();
    using second = await open();
    first.send('$auth', { ticket });
    expect(await first.frame('$welcome')).toMatchObject({ data: { user: 'tim' } });
    second.send('$auth', { ticket });
    expect(await second.closed).toEqual({ code: 4001, reason: 'token invalid' });
    expect(second.received).toEqual([]);
  });

  it('is closed with 4001 where its token is no good', async () => {
    for (const data of [
      { token: 'a.b.c' },
      { token: tokenFor('a', { exp: nowSeconds() - 60 }) },
      {},
      null,
      'x',
      7,
      { token: 7 },
    ]) {
      using client = await open();
      client.send('$auth', data);
      expect(await client.closed).toEqual({ code: 4001, reason: 'token invalid' });
    }
  });

  it.each([
    '{"event":"hello"}',
    '{"event":"$ping"}',
    '{"event":"$subscribe","data":{"channel":"user:alice"}}',
    'garbage{',
    '[]',
    '',
  ])('is closed with 1008 where its first message is %s', async (text) => {
    using client = await open();
    client.socket.send(text);
    expect(await client.closed).toEqual(POLICY);
    expect(client.received).toEqual([]);
  });

  it('may send 4 KiB in all, whatever they are', async () => {
    using large = await open();
    large.socket.send(JSON.stringify({ event: '$auth', data: { token: 'x'.repeat(5_000) } }));
    expect(await large.closed).toEqual(POLICY);
    using pinger = await open();
    for (let pings = 0; pings < 40; pings += 1) pinger.socket.ping(Buffer.alloc(125));
    expect(await pinger.closed).toEqual(POLICY);
  });

  it.each([
    ['is not UTF-8', Buffer.from([0x22, 0xff, 0x22]), {}, { code: 1007, reason: 'invalid data' }],
    ['has no mask', '{"event":"$ping"}', { mask: false }, { code: 1002, reason: 'protocol error' }],
  ])('is told why, as anyone, where its first frame %s', async (_what, frame, options, close) => {
    using client = await open();
    client.socket.send(frame, { binary: false, ...options });
    expect(await client.closed).toEqual(close);
  });

  it('is told so where its first frame is larger than any may be', async () => {
    const small = await startGateway({ MAX_FRAME_BYTES: '1024' });
    using client = await openClient(small.ws());
    client.socket.send('x'.repeat(1_025));
    expect(await client.closed).toEqual({ code: 1009, reason: 'frame too large' });
    await small.stop();
  });

  it('is closed with 4002 after 5 s, which pings do not extend and get no answer to', async () => {
    const startedAt = performance.now();
    using silent = await open();
    using pinger = await open();
    let pongs = 0;
    pinger.socket.on('pong', () => (pongs += 1));
    const timer = setInterval(() => pinger.socket.ping(), 500);
    const ends = await Promise.all([silent.closed, pinger.closed]);
    clearInterval(timer);
    expect(ends).toEqual([NOT_IN_TIME, NOT_IN_TIME]);
    expect(performance.now() - startedAt).toBeGreaterThan(4_900);
    expect(performance.now() - startedAt).toBeLessThan(6_500);
    expect(pongs).toBe(0);
    expect([...silent.received, ...pinger.received]).toEqual([]);
  });

  it('makes room for another of its address, of which 5 % may wait', async () => {
    const address = someAddress();
    using first = await open(address);
    using second = await open(address);
    expect(await first.closed).toEqual(NOT_IN_TIME);
    second.send('$auth', { token: tokenFor('second') });
    await second.frame('$welcome');
  });

  it('is not locked out where as many wait as may: the oldest of the busiest address goes', async () => {
    const waiting: TestClient[] = [];
    while (waiting.length < 20) waiting.push(await open());
    using newcomer = await open();
    expect(await waiting[0]?.closed).toEqual(NOT_IN_TIME);
    newcomer.send('$auth', { token: tokenFor('newcomer') });
    await newcomer.frame('$welcome');
    waiting[19]?.send('$auth', { token: tokenFor('patient') });
    await waiting[19]?.frame('$welcome');
    for (const client of waiting) client[Symbol.dispose]();
  });

  it('is nowhere to be seen before: not among the connections, and no broadcast reaches it', async () => {
    await expect.poll(() => gateway.connections()).toBe(0);
    using client = await open();
    expect(await gateway.connections()).toBe(0);
    await gateway.api('broadcast', { event: 'news', data: {} });
    using witness = await openClient(gateway.ws(), { token: tokenFor('witness') });
    await witness.frame('$welcome');
    await gateway.api('broadcast', { event: 'more', data: {} });
    await witness.frame('more');
    expect(client.received).toEqual([]);
  });

  it('counts as a failure of its address where its token is no good', async () => {
    const address = someAddress();
    for (let failures = 0; failures < 100; failures += 1) {
      const client = await open(address);
      client.send('$auth', { token: 'a.b.c' });
      await client.closed;
    }
    const headers = { 'x-forwarded-for': address };
    expect((await probeUpgrade(gateway.ws(), { headers })).status).toBe(429);
  });

  it('passes admission and Origin before the 101', async () => {
    expect((await probeUpgrade(gateway.ws(), { headers: { origin: 'https://evil.example' } })).status).toBe(
      403,
    );
  });

  it('gets 401 where first messages are off', async () => {
    const strict = await startGateway({ FIRST_MESSAGE_AUTH: '0' });
    expect((await probeUpgrade(strict.ws())).status).toBe(401);
    expect((await fetch(`${strict.url}/ws`)).status).toBe(401);
    await strict.stop();
  });
});

const asked: string[] = [];
let opened = 0;

@Injectable()
class Moody implements CanActivate {
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const { session, url } = context.switchToHttp().getRequest<HandshakeRequest>();
    asked.push(`${session?.user} ${url}`);
    if (session?.user === 'unwelcome') return false;
    if (session?.user === 'unknown') throw new UnauthorizedException();
    if (session?.user === 'unlucky') throw new ServiceUnavailableException();
    if (session?.user === 'pending') return new Promise(() => undefined);
    return true;
  }
}

@WebSocketGateway({ path: '/ws' })
@UseGuards(Moody)
class Guarded implements OnGatewayConnection {
  @WebSocketServer() readonly server!: { clients: Set<unknown> };

  handleConnection(): void {
    opened += 1;
  }
}

describe('the guards of a gateway class', () => {
  let app: NestApp;
  beforeAll(async () => {
    app = await startNestApp({ providers: [Guarded, Moody] }, { realtime: { trustProxy: ['loopback'] } });
  });
  afterAll(() => app.close());

  const registered = (): number => app.get(ConnectionRegistry).size;
  const clients = (): number => app.get(Guarded).server.clients.size;

  it('run on the stored upgrade request; before, there is no client, no connection and no handleConnection', async () => {
    using client = await openClient(app.ws('/ws?room=7'));
    expect([clients(), registered(), opened, asked]).toEqual([0, 0, 0, []]);
    client.send('$auth', { token: tokenFor('alice') });
    await client.frame('$welcome');
    expect([clients(), registered(), opened, asked]).toEqual([1, 1, 1, ['alice /ws?room=7']]);
    await client.close();
    await expect.poll(() => [clients(), registered()]).toEqual([0, 0]);
  });

  it.each([
    ['unwelcome', 1008],
    ['unknown', 1008],
    ['unlucky', 1013],
    ['pending', 1013],
  ])(
    'that refuse %s, or never answer, end the connection with %i, unseen by the gateway',
    async (user, code) => {
      const before = opened;
      using client = await openClient(app.ws());
      client.send('$auth', { token: tokenFor(user) });
      expect((await client.closed).code).toBe(code);
      expect([opened, registered(), client.received]).toEqual([before, 0, []]);
    },
  );

  it('that refuse count as failures, as they do before the 101', async () => {
    const headers = { 'x-forwarded-for': someAddress() };
    for (let failures = 0; failures < 100; failures += 1) {
      const client = await openClient(app.ws(), { headers });
      client.send('$auth', { token: tokenFor('unwelcome') });
      await client.closed;
    }
    expect((await probeUpgrade(app.ws(), { headers })).status).toBe(429);
  });
});

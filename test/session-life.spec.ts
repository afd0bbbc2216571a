import { ConnectionRegistry, CurrentSession, type Session } from '@aerie/realtime';
import { openClient, probeUpgrade, type TestClient } from '@aerie/realtime/testing';
import { ConnectedSocket, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { nowSeconds, type RunningGateway, someAddress, startGateway, tokenFor } from './support/gateway.js';
import { type NestApp, startNestApp } from './support/nest-app.js';

const ENDED = { code: 4401, reason: 'session ended' };
const CHANNELS = {
  channels: [{ pattern: 'room:{id}', subscribe: 'claims', publish: 'claims' }],
};

let gateway: RunningGateway;
beforeAll(async () => {
  gateway = await startGateway({ CHANNELS: JSON.stringify(CHANNELS), TRUST_PROXY: 'loopback' });
});
afterAll(() => gateway.stop());

const clients: TestClient[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client[Symbol.dispose]();
});

async function connect(user: string, claims: Record<string, unknown> = {}): Promise<TestClient> {
  const headers = { 'x-forwarded-for': someAddress() };
  const client = await openClient(gateway.ws(), { token: tokenFor(user, claims), headers });
  clients.push(client);
  await client.frame('$welcome');
  return client;
}

const statusOf = async (user: string, claims: Record<string, unknown> = {}): Promise<number> => {
  const headers = { 'x-forwarded-for': someAddress() };
  return (await probeUpgrade(gateway.ws(), { token: tokenFor(user, claims), headers })).status;
};

describe('a session', () => {
  it('is closed with 4401 at its end: not before, and within two seconds', async () => {
    const end = nowSeconds() + 2;
    const client = await connect('alice', { exp: end });
    expect(await client.closed).toEqual(ENDED);
    expect(Date.now()).toBeGreaterThanOrEqual(end * 1_000);
    expect(Date.now()).toBeLessThan((end + 2) * 1_000);
  });

  it('that was admitted by the leeway lives until that is over', async () => {
    const end = nowSeconds() - 3;
    const client = await connect('alice', { exp: end });
    expect(await client.closed).toEqual(ENDED);
    expect(Date.now()).toBeGreaterThanOrEqual((end + 5) * 1_000);
  });

  it('lives on by $auth, and answers with its new end', async () => {
    const end = nowSeconds() + 2;
    const client = await connect('alice', { exp: end });
    const expiresAt = (end + 600) * 1_000;
    const reply = await client.request('$auth', { token: tokenFor('alice', { exp: end + 600 }) });
    expect(reply).toMatchObject({ data: { expiresAt } });
    await new Promise((resolve) => setTimeout(resolve, end * 1_000 + 2_100 - Date.now()));
    expect(await client.request('$ping')).toMatchObject({ event: '$pong' });
  });

  it('can be renewed with a ticket', async () => {
    const client = await connect('alice');
    const ticket = await gateway.ticket(tokenFor('alice', { exp: nowSeconds() + 900 }));
    expect(await client.request('$auth', { ticket })).toMatchObject({
      data: { expiresAt: expect.any(Number) as unknown },
    });
    expect(await client.request('$auth', { ticket })).toMatchObject({ error: { code: 'unauthenticated' } });
  });

  it('stands as it was where a renewal fails', async () => {
    const end = nowSeconds() + 2;
    const client = await connect('alice', { exp: end });
    for (const data of [{ token: 'a.b.c' }, {}, null, 'x', { token: tokenFor('alice', { exp: 1 }) }])
      expect(await client.request('$auth', data)).toMatchObject({ error: { code: 'unauthenticated' } });
    expect(await client.request('$ping')).toMatchObject({ event: '$pong' });
    expect(await client.closed).toEqual(ENDED);
  });

  it('is closed with 1008 where another user comes by $auth', async () => {
    const client = await connect('alice');
    client.send('$auth', { token: tokenFor('bob') });
    expect(await client.closed).toEqual({ code: 1008, reason: 'policy violation' });
  });

  it('takes one $auth at a time', async () => {
    const client = await connect('alice');
    const token = tokenFor('alice');
    const replies = await Promise.all(Array.from({ length: 5 }, () => client.request('$auth', { token })));
    for (const reply of replies) expect(reply.error?.code ?? 'renewed').toMatch(/renewed|conflict/);
    expect(replies[0]).toMatchObject({ data: {} });
    expect(await client.request('$auth', { token })).toMatchObject({ data: {} });
  });

  it('leaves the channels that its new claims no longer allow', async () => {
    const client = await connect('alice', { channels: { subscribe: ['room:1', 'room:2'] } });
    await client.request('$subscribe', { channel: 'room:1' });
    await client.request('$subscribe', { channel: 'room:2' });
    await client.request('$auth', { token: tokenFor('alice', { channels: { subscribe: ['room:2'] } }) });
    expect(await client.frame('$unsubscribed')).toMatchObject({ data: { channel: 'room:1' } });
    await gateway.api('publish', { channel: 'room:1', event: 'say', data: 1 });
    await gateway.api('publish', { channel: 'room:2', event: 'say', data: 2 });
    expect(await client.frame('say')).toMatchObject({ channel: 'room:2' });
    expect(await client.request('$subscribe', { channel: 'room:1' })).toMatchObject({
      error: { code: 'forbidden' },
    });
  });
});

describe('the application', () => {
  it('disconnects a user with 4403, or with 4401 where it may come back; nobody else', async () => {
    const [alice, other, bob] = [await connect('alice'), await connect('alice'), await connect('bob')];
    await gateway.api('disconnect', { user: 'alice' });
    expect(await Promise.all([alice.closed, other.closed])).toEqual([
      { code: 4403, reason: 'disconnected' },
      { code: 4403, reason: 'disconnected' },
    ]);
    await gateway.api('disconnect', { user: 'bob', reconnect: true });
    expect(await bob.closed).toEqual(ENDED);
    expect(await statusOf('alice')).toBe(101);
  });

  it('takes a user out of a channel, who is told so', async () => {
    const client = await connect('alice', { channels: { subscribe: ['room:*'] } });
    await client.request('$subscribe', { channel: 'room:1' });
    await gateway.api('unsubscribe', { user: 'alice', channel: 'room:1' });
    expect(await client.frame('$unsubscribed')).toMatchObject({ data: { channel: 'room:1' } });
    expect(await gateway.api('connections?user=alice')).toMatchObject({
      connections: [{ channels: ['user:alice'] }],
    });
  });
});

describe('the server API', () => {
  it("does not take a user's own channel away", async () => {
    const client = await connect('alice');
    await expect(gateway.api('unsubscribe', { user: 'alice', channel: 'user:alice' })).rejects.toThrow(/400/);
    await gateway.api('publish', { channel: 'user:alice', event: 'say', data: 1 });
    expect(await client.frame('say')).toMatchObject({ data: 1 });
  });
});

describe('a revocation', () => {
  it('of a token ends the connections that it opened, and admits it no more, renewals and tickets included', async () => {
    const ticket = await gateway.ticket(tokenFor('rita', { jti: 'stolen' }));
    const [stolen, own] = [await connect('rita', { jti: 'stolen' }), await connect('rita', { jti: 'own' })];
    await gateway.api('revoke', { jti: 'stolen' });
    expect(await stolen.closed).toEqual(ENDED);
    expect(await statusOf('rita', { jti: 'stolen' })).toBe(401);
    expect(await statusOf('rita', { jti: 'own' })).toBe(101);
    expect((await probeUpgrade(gateway.ws(`?ticket=${ticket}`))).status).toBe(401);
    const renewal = await own.request('$auth', { token: tokenFor('rita', { jti: 'stolen' }) });
    expect(renewal).toMatchObject({ error: { code: 'unauthenticated' } });
  });

  it('of a token can not be undone by the first message', async () => {
    await gateway.api('revoke', { jti: 'gone' });
    using client = await openClient(gateway.ws());
    client.send('$auth', { token: tokenFor('rita', { jti: 'gone' }) });
    expect(await client.closed).toEqual({ code: 4001, reason: 'token invalid' });
  });

  it("of a user ends all of the user's connections, and only those", async () => {
    const [mallory, alice] = [await connect('mallory'), await connect('alice')];
    await gateway.api('revoke', { user: 'mallory' });
    expect(await mallory.closed).toEqual(ENDED);
    expect(await statusOf('mallory')).toBe(401);
    expect(await alice.request('$ping')).toMatchObject({ event: '$pong' });
  });

  it("of what was issued before a time ends those sessions and those that don't say, and admits newer ones", async () => {
    const now = nowSeconds();
    const old = await connect('olga', { iat: now - 100 });
    const unsaid = await connect('olga', { iat: undefined });
    const fresh = await connect('olga', { iat: now });
    await gateway.api('revoke', { user: 'olga', issuedBefore: (now - 50) * 1_000 });
    expect(await Promise.all([old.closed, unsaid.closed])).toEqual([ENDED, ENDED]);
    expect(await statusOf('olga', { iat: now - 100 })).toBe(401);
    expect(await statusOf('olga', { iat: now })).toBe(101);
    expect(await fresh.request('$ping')).toMatchObject({ event: '$pong' });
  });
});

@WebSocketGateway({ path: '/ws' })
class Who {
  @SubscribeMessage('who')
  who(
    @CurrentSession() session: Session,
    @ConnectedSocket() client: { user: Session; session: Session },
  ): unknown {
    return [session, client.user, client.session].map(({ claims }) => claims['role']);
  }
}

describe('a gateway class', () => {
  let app: NestApp;
  beforeAll(async () => {
    app = await startNestApp({ providers: [Who] });
  });
  afterAll(() => app.close());

  it('sees the claims of the renewed session, and the old ones after a renewal that failed', async () => {
    using client = await openClient(app.ws(), { token: tokenFor('alice', { role: 'guest' }) });
    expect(await client.request('who')).toMatchObject({ data: ['guest', 'guest', 'guest'] });
    await client.request('$auth', { token: tokenFor('alice', { role: 'owner' }) });
    expect(await client.request('who')).toMatchObject({ data: ['owner', 'owner', 'owner'] });
    await client.request('$auth', { token: 'a.b.c' });
    expect(await client.request('who')).toMatchObject({ data: ['owner', 'owner', 'owner'] });
    expect(app.get(ConnectionRegistry).size).toBe(1);
  });
});

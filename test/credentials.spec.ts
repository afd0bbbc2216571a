import { openClient, probeUpgrade, type ProbeOptions } from '@aerie/realtime/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  nowSeconds,
  type RunningGateway,
  signJwt,
  someAddress,
  startGateway,
  tokenFor,
} from './support/gateway.js';

const AUDIENCE = 'aerie-tests';
const ISSUER = 'https://issuer.example.com';

let gateway: RunningGateway;
beforeAll(async () => {
  gateway = await startGateway({
    TRUST_PROXY: 'loopback',
    AUTH_JWT_PREVIOUS_SECRET: 'the-secret-before-the-rotation-32-bytes',
    AUTH_JWT_AUDIENCE: AUDIENCE,
    AUTH_JWT_ISSUER: ISSUER,
  });
});
afterAll(() => gateway.stop());

const token = (user: string, claims: Record<string, unknown> = {}): string =>
  tokenFor(user, { aud: AUDIENCE, iss: ISSUER, ...claims });

// Each from an address of its own: the failures of one test are not to lock out the next.
async function statusOf(options: ProbeOptions & { query?: string }): Promise<number> {
  const headers = { 'x-forwarded-for': someAddress(), ...options.headers };
  const { status } = await probeUpgrade(gateway.ws(options.query), { ...options, headers });
  return status;
}

async function userOf(query: string, options: Parameters<typeof openClient>[1] = {}): Promise<unknown> {
  using client = await openClient(gateway.ws(query), options);
  const { data } = await client.frame('$welcome');
  return (data as { user: unknown }).user;
}

const twice = (value: string): readonly string[] => [value, value];

describe('the places of a credential', () => {
  const short = (user: string): string => token(user, { exp: nowSeconds() + 30, iat: nowSeconds() });

  it('decide in order: header, subprotocol, cookie, ticket, query', async () => {
    const ticket = await gateway.ticket(token('by-ticket'));
    const cookie = `session=${token('by-cookie')}`;
    const protocols = ['aerie.v1.json', `aerie.bearer.${token('by-protocol')}`];
    const query = `?ticket=${ticket}&token=${short('by-query')}`;
    expect(await userOf(query, { token: token('by-header'), protocols, headers: { cookie } })).toBe(
      'by-header',
    );
    expect(await userOf(query, { protocols, headers: { cookie } })).toBe('by-protocol');
    expect(await userOf(query, { headers: { cookie } })).toBe('by-cookie');
    expect(await userOf(query)).toBe('by-ticket');
    expect(await userOf(`?token=${short('by-query')}`)).toBe('by-query');
  });

  it('do not fall through: a bad one in a stronger place spoils a good one in a weaker', async () => {
    const good = short('alice');
    const query = `?token=${good}`;
    expect(await statusOf({ query, token: 'a.b.c' })).toBe(401);
    expect(await statusOf({ query, headers: { authorization: 'Basic YTpi' } })).toBe(401);
    expect(await statusOf({ query, headers: { authorization: 'Bearer' } })).toBe(401);
    expect(await statusOf({ query, protocols: ['aerie.bearer.a.b.c'] })).toBe(401);
    expect(await statusOf({ query, headers: { cookie: 'session=a.b.c' } })).toBe(401);
    expect(await statusOf({ query: `?ticket=nope&token=${good}` })).toBe(401);
    expect(await statusOf({ query: `?ticket=&token=${good}` })).toBe(401);
    expect(await statusOf({ query })).toBe(101);
  });

  it('refuse one that comes twice, the same or not', async () => {
    const one = token('alice');
    const ticket = await gateway.ticket(one);
    expect(await statusOf({ headers: { authorization: twice(`Bearer ${one}`) } })).toBe(401);
    expect(await statusOf({ headers: { authorization: [`Bearer ${one}`, 'Bearer a.b.c'] } })).toBe(401);
    expect(await statusOf({ protocols: twice(`aerie.bearer.${one}`) })).toBe(401);
    expect(await statusOf({ headers: { 'sec-websocket-protocol': twice(`aerie.bearer.${one}`) } })).toBe(401);
    expect(await statusOf({ headers: { cookie: `session=${one}; session=${one}` } })).toBe(401);
    expect(await statusOf({ headers: { cookie: twice(`session=${one}`) } })).toBe(401);
    expect(await statusOf({ query: `?ticket=${ticket}&ticket=${ticket}` })).toBe(401);
    expect(await statusOf({ query: `?token=${short('a')}&token=${short('a')}` })).toBe(401);
    expect(await statusOf({ query: `?ticket=${ticket}` })).toBe(101);
  });

  it('leave a cookie of another name alone', async () => {
    using client = await openClient(gateway.ws(), { headers: { cookie: `other=${token('alice')}` } });
    client.send('$auth', { token: token('bob') });
    expect(await client.frame('$welcome')).toMatchObject({ data: { user: 'bob' } });
  });
});

describe('a ticket', () => {
  it('admits exactly one of many who come with it at once', async () => {
    const query = `?ticket=${await gateway.ticket(token('alice'))}`;
    const statuses = await Promise.all(Array.from({ length: 30 }, () => statusOf({ query })));
    expect(statuses.filter((status) => status === 101)).toHaveLength(1);
    expect(statuses.filter((status) => status === 401)).toHaveLength(29);
  });

  it('is not used up by a page from a foreign Origin', async () => {
    const query = `?ticket=${await gateway.ticket(token('alice'))}`;
    expect(await statusOf({ query, headers: { origin: 'https://evil.example' } })).toBe(403);
    expect(await statusOf({ query })).toBe(101);
    expect(await statusOf({ query })).toBe(401);
  });

  it('carries the expiry, the claims and the jti of the session that asked for it', async () => {
    const expiresAt = nowSeconds() + 1_234;
    const ticket = await gateway.ticket(token('carol', { exp: expiresAt, jti: 'ticket-jti' }));
    using client = await openClient(gateway.ws(`?ticket=${ticket}`));
    expect(await client.frame('$welcome')).toMatchObject({
      data: { user: 'carol', expiresAt: expiresAt * 1_000 },
    });
    await gateway.api('revoke', { jti: 'ticket-jti' });
    expect(await client.closed).toEqual({ code: 4401, reason: 'session ended' });
  });

  it('needs JSON, a credential, and with a cookie an Origin that is allowed', async () => {
    const ask = async (headers: Record<string, string>, query = ''): Promise<number> => {
      const response = await fetch(`${gateway.url}/tickets${query}`, { method: 'POST', headers, body: '{}' });
      return response.status;
    };
    const json = { 'content-type': 'application/json', 'x-forwarded-for': someAddress() };
    const cookie = `session=${token('alice')}`;
    const authorization = `Bearer ${token('alice')}`;
    expect(await ask({ authorization, ...json })).toBe(200);
    expect(await ask({ authorization, 'content-type': 'text/plain' })).toBe(415);
    expect(await ask(json)).toBe(401);
    expect(await ask({ cookie, ...json })).toBe(403);
    expect(await ask({ cookie, ...json, origin: 'https://evil.example' })).toBe(403);
    expect(await ask({ cookie, ...json, origin: gateway.url })).toBe(200);
    const ticket = await gateway.ticket(token('alice'));
    expect(await ask(json, `?ticket=${ticket}`)).toBe(403);
  });

  it('is 503 with Retry-After while its store is away, never 401', async () => {
    const { startRedis } = await import('./support/redis-server.js');
    const redis = await startRedis();
    const shared = await startGateway({ REDIS_URL: redis.url });
    try {
      const ticket = await shared.ticket(tokenFor('alice'));
      await redis.stop();
      const answer = await probeUpgrade(shared.ws(`?ticket=${ticket}`));
      expect(answer).toMatchObject({ status: 503, body: { error: { code: 'unavailable' } } });
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      expect((await probeUpgrade(shared.ws(), { token: tokenFor('alice') })).status).toBe(101);
      expect((await fetch(`${shared.url}/ws?ticket=${ticket}`)).status).toBe(503);
    } finally {
      await shared.stop();
      await redis.stop();
    }
  });
});

describe('a token', () => {
  it('signed with the secret before the rotation is still good', async () => {
    const secret = 'the-secret-before-the-rotation-32-bytes';
    const claims = { sub: 'old', exp: nowSeconds() + 30, aud: AUDIENCE, iss: ISSUER };
    expect(await statusOf({ token: signJwt(claims, { secret }) })).toBe(101);
  });

  it.each<[string, Record<string, unknown>]>([
    ['without an expiry', { exp: undefined }],
    ['that expired beyond the leeway', { exp: nowSeconds() - 6 }],
    ['with an expiry that is no number', { exp: '9999999999' }],
    ['that is not valid yet', { nbf: nowSeconds() + 60 }],
    ['without a subject', { sub: undefined }],
    ['with an empty subject', { sub: '' }],
    ['with a subject that is a number', { sub: 42 }],
    ['with a control character in its subject', { sub: 'al\u0000ice' }],
    ['with a subject of 129 bytes', { sub: 'é'.repeat(65) }],
    ['for another audience', { aud: 'someone-else' }],
    ['without an audience', { aud: undefined }],
    ['of another issuer', { iss: 'https://evil.example' }],
    ['whose session is over', { session_exp: nowSeconds() - 60 }],
  ])('%s is refused', async (_what, claims) => {
    expect(await statusOf({ token: token('alice', claims) })).toBe(401);
  });

  it.each<[string, string]>([
    ['without a signature', `${token('alice').split('.').slice(0, 2).join('.')}.`],
    [
      'that says alg none',
      signJwt({ sub: 'alice', exp: 9e9, aud: AUDIENCE, iss: ISSUER }, { header: { alg: 'none' } }),
    ],
    [
      'of another HMAC',
      signJwt({ sub: 'alice', exp: 9e9, aud: AUDIENCE, iss: ISSUER }, { header: { alg: 'HS512' } }),
    ],
    [
      'that says RS256',
      signJwt({ sub: 'alice', exp: 9e9, aud: AUDIENCE, iss: ISSUER }, { header: { alg: 'RS256' } }),
    ],
    [
      'with an unknown critical header',
      signJwt(
        { sub: 'alice', exp: 9e9, aud: AUDIENCE, iss: ISSUER },
        { header: { crit: ['b64'], b64: false } },
      ),
    ],
    [
      'signed by its own jwk',
      signJwt(
        { sub: 'alice', exp: 9e9, aud: AUDIENCE, iss: ISSUER },
        { secret: 'k', header: { jwk: { kty: 'oct', k: 'aw' } } },
      ),
    ],
    ['that is no JWT', 'gibberish'],
    ['of 9 KiB', `${token('alice')}${'a'.repeat(9_000)}`],
  ])('%s is refused', async (_what, value) => {
    expect(await statusOf({ token: value })).toBe(401);
  });

  it('with a subject of 128 bytes, or expired within the leeway, is good', async () => {
    expect(await statusOf({ token: token('é'.repeat(64)) })).toBe(101);
    expect(await statusOf({ token: token('alice', { exp: nowSeconds() - 2 }) })).toBe(101);
  });

  it('in the query must have been made for it: 60 s from a numeric iat that is not in the future', async () => {
    const now = nowSeconds();
    const query = (claims: Record<string, unknown>): { query: string } => ({
      query: `?token=${token('alice', claims)}`,
    });
    expect(await statusOf(query({ iat: now, exp: now + 60 }))).toBe(101);
    expect(await statusOf(query({ iat: now, exp: now + 61 }))).toBe(401);
    expect(await statusOf(query({ iat: undefined, exp: now + 30 }))).toBe(401);
    expect(await statusOf(query({ iat: String(now), exp: now + 30 }))).toBe(401);
    expect(await statusOf(query({ iat: now + 60, exp: now + 90 }))).toBe(401);
    expect(await statusOf(query({ iat: now - 7_200, exp: now + 30 }))).toBe(401);
    expect(await statusOf(query({ iat: now + 5, exp: now + 3 }))).toBe(401);
  });

  it('in the query opens a session as long as its issuer says', async () => {
    const now = nowSeconds();
    const value = token('alice', { iat: now, exp: now + 30, session_exp: now + 3_600 });
    using client = await openClient(gateway.ws(`?token=${value}`));
    expect(await client.frame('$welcome')).toMatchObject({ data: { expiresAt: (now + 3_600) * 1_000 } });
  });
});

describe('the log', () => {
  it('has one line per handshake, and in none of them a token, a ticket, a cookie or a query string', async () => {
    const ticket = await gateway.ticket(token('logged'));
    const secrets = [
      ticket,
      token('logged', { jti: 'in-the-header' }),
      token('logged', { jti: 'in-the-cookie' }),
      token('logged', { jti: 'in-the-protocol' }),
      token('logged', { jti: 'in-the-query' }),
      token('logged', { jti: 'in-the-message' }),
      `bad-${'x'.repeat(40)}`,
    ];
    const [, header, cookie, protocol, inQuery, message, bad] = secrets;
    const before = gateway.handshakes.length;
    await statusOf({ query: `?ticket=${ticket}&more=query-string-secret` });
    await statusOf({ query: `?ticket=${ticket}` });
    await statusOf({ token: header ?? '' });
    await statusOf({ token: bad ?? '' });
    await statusOf({ headers: { cookie: `session=${cookie}` } });
    await statusOf({ protocols: [`aerie.bearer.${protocol}`] });
    await statusOf({ query: `?token=${inQuery}` });
    using client = await openClient(gateway.ws());
    client.send('$auth', { token: message });
    await client.frame('$welcome');
    await client.request('$auth', { token: bad });
    await expect.poll(() => gateway.handshakes.length - before).toBe(8);
    for (const secret of [...secrets, 'query-string-secret', 'ticket=', 'token='])
      expect(gateway.log).not.toContain(secret);
    expect(gateway.handshakes.at(-1)).toMatchObject({
      outcome: 'accepted',
      status: 101,
      user: 'logged',
      path: '/ws',
    });
    expect(gateway.handshakes.slice(before).map(({ outcome }) => outcome)).toEqual([
      'accepted',
      'unauthenticated',
      'accepted',
      'unauthenticated',
      'accepted',
      'accepted',
      'unauthenticated',
      'accepted',
    ]);
  });
});

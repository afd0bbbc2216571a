import { createServer } from 'node:http';
import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { HttpEdge } from '@aerie/realtime';
import { JwtService } from '@nestjs/jwt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { devTokensRoute } from './dev-tokens.route.js';

const jwt = new JwtService({ secret: 'a secret of at least thirty-two bytes' });
const server = createServer();
let url = '';

beforeAll(async () => {
  const edge = new HttpEdge();
  edge.add(devTokensRoute({ jwt, issuer: 'https://issuer.example.com' }));
  edge.attach(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/dev/tokens`;
});

afterAll(() => {
  server.close();
  server.closeAllConnections();
});

async function post(
  body: unknown,
  type = 'application/json',
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(url, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': type },
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

describe('POST /dev/tokens', () => {
  it('signs an HS256 token of one hour for whoever is named', async () => {
    const { status, body } = await post({ user: 'alice' });
    expect([status, body['user'], body['expiresInMs']]).toEqual([200, 'alice', 3_600_000]);
    const { header, payload } = jwt.decode<{ iat: number; exp: number }>(String(body['token']), {
      complete: true,
    });
    expect(header.alg).toBe('HS256');
    expect(payload).toMatchObject({
      sub: 'alice',
      iss: 'https://issuer.example.com',
      jti: expect.any(String),
    });
    expect(payload.exp - payload.iat).toBe(3_600);
  });

  it('signs shorter lives, never longer ones', async () => {
    const { body } = await post({ user: 'alice', expiresInSeconds: 60 });
    const { iat, exp } = await jwt.verifyAsync<{ iat: number; exp: number }>(String(body['token']));
    expect(exp - iat).toBe(60);
    expect((await post({ user: 'alice', expiresInSeconds: 3_601 })).status).toBe(400);
  });

  it.each([
    [{}],
    [{ user: '' }],
    [{ user: 7 }],
    [{ user: 'a\u0000' }],
    [{ user: 'x'.repeat(129) }],
    [{ user: 'a', admin: true }],
  ])('refuses %j', async (body) => {
    expect((await post(body)).status).toBe(400);
  });

  it('refuses what a page of another origin could send: a plain form, or a name that it pointed here', async () => {
    expect((await post({ user: 'alice' }, 'text/plain')).status).toBe(415);
    const rebound = httpRequest(url, {
      method: 'POST',
      headers: { host: 'evil.example.com', 'content-type': 'application/json' },
    });
    rebound.end('{"user":"alice"}');
    const [response] = (await once(rebound, 'response')) as [{ statusCode: number; resume: () => void }];
    response.resume();
    expect(response.statusCode).toBe(403);
  });
});

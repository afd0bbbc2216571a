import { once } from 'node:events';
import { connect } from 'node:net';
import { openClient, probeUpgrade, upgradeRequest } from '@aerie/realtime/testing';
import { type CanActivate, Injectable, UseGuards } from '@nestjs/common';
import { WebSocketGateway } from '@nestjs/websockets';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type RunningGateway, signJwt, someAddress, startGateway, tokenFor } from './support/gateway.js';
import { startNestApp } from './support/nest-app.js';

const APP = 'https://app.example.com';

let gateway: RunningGateway;
beforeAll(async () => {
  gateway = await startGateway({ TRUST_PROXY: 'loopback', ALLOWED_ORIGINS: `${APP},http://localhost:5173` });
});
afterAll(() => gateway.stop());

const error = (code: string): unknown => ({ error: expect.objectContaining({ code }) as unknown });
const from = (address: string): { 'x-forwarded-for': string } => ({ 'x-forwarded-for': address });

async function fail(address: string, times: number): Promise<void> {
  for (let sent = 0; sent < times; sent += 20)
    await Promise.all(
      Array.from({ length: Math.min(20, times - sent) }, () =>
        probeUpgrade(gateway.ws(), { token: 'a.b.c', headers: from(address) }),
      ),
    );
}

describe('an upgrade', () => {
  it('is accepted with a good token, welcomed, and registered', async () => {
    using client = await openClient(gateway.ws(), { token: tokenFor('alice') });
    const { data } = await client.frame('$welcome');
    expect(data).toMatchObject({ user: 'alice', transport: 'websocket', maxFrameBytes: 65_536 });
    expect(await gateway.api('connections?user=alice')).toMatchObject({
      user: 'alice',
      connections: [{ transport: 'websocket', channels: ['user:alice'] }],
    });
  });

  it('is refused with 401 and a JSON body, a challenge and no hint at the cause', async () => {
    const [forged, expired] = await Promise.all([
      probeUpgrade(gateway.ws(), { token: signJwt({ sub: 'eve', exp: 9e9 }, { secret: 'another' }) }),
      probeUpgrade(gateway.ws(), { token: tokenFor('eve', { exp: 1 }) }),
    ]);
    expect(forged.status).toBe(401);
    expect(forged.headers).toMatchObject({
      'www-authenticate': 'Bearer',
      'content-type': 'application/json; charset=utf-8',
      connection: 'close',
    });
    expect(forged.body).toEqual(error('unauthenticated'));
    expect(expired).toMatchObject({ status: 401, body: forged.body });
  });

  it('is refused with 404 where no gateway listens', async () => {
    const answer = await probeUpgrade(`${gateway.url}/nowhere`, { token: tokenFor('alice') });
    expect(answer).toMatchObject({ status: 404, body: error('not_found') });
  });

  it.each([
    ['without a key', { headers: { 'sec-websocket-key': undefined } }, 400],
    ['with a malformed key', { headers: { 'sec-websocket-key': 'short' } }, 400],
    ['by POST', { method: 'POST', headers: { 'content-length': '0' } }, 400],
    ['to another protocol', { headers: { upgrade: 'h2c' } }, 400],
    ['with a malformed list of subprotocols', { headers: { 'sec-websocket-protocol': 'a,,b' } }, 400],
    ['with one subprotocol twice', { headers: { 'sec-websocket-protocol': 'a, a' } }, 400],
    ['of another version', { headers: { 'sec-websocket-version': '12' } }, 426],
    ['without a version', { headers: { 'sec-websocket-version': undefined } }, 426],
  ])('that is malformed (%s) is refused before anything is asked', async (_how, options, status) => {
    const answer = await probeUpgrade(gateway.ws(), { token: tokenFor('alice'), ...options });
    expect(answer).toMatchObject({ status, body: error('invalid') });
    expect(answer.headers['connection']).toBe('close');
    if (status === 426) expect(answer.headers['sec-websocket-version']).toBe('13');
  });

  it('with a malformed subprotocol list uses no ticket up', async () => {
    const ticket = await gateway.ticket(tokenFor('alice'));
    const bad = { headers: { 'sec-websocket-protocol': 'a,,b' } };
    expect(await probeUpgrade(gateway.ws(`?ticket=${ticket}`), bad)).toMatchObject({ status: 400 });
    expect(await probeUpgrade(gateway.ws(`?ticket=${ticket}`))).toMatchObject({ status: 101 });
  });

  it('is handed its frames that came with the request, after the welcome', async () => {
    const frame = maskedText('{"event":"$ping","id":1}');
    const socket = connect(gateway.port, '127.0.0.1');
    const request = upgradeRequest('/ws', '127.0.0.1', { token: tokenFor('early') });
    socket.write(Buffer.concat([Buffer.from(request), frame, frame]));
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
    await vi.waitFor(() => expect(text.match(/\$pong/g)).toHaveLength(2), { timeout: 5_000 });
    socket.destroy();
    expect(text.indexOf('$welcome')).toBeLessThan(text.indexOf('$pong'));
  });

  it('survives a request that was pipelined behind another, refused or not', async () => {
    for (const token of ['a.b.c', tokenFor('pipeliner')]) {
      const socket = connect(gateway.port, '127.0.0.1').on('error', () => undefined);
      const upgrade = upgradeRequest('/ws', '127.0.0.1', { token });
      const before = 'GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';
      socket.write(before + before + upgrade);
      await once(socket.resume(), 'close', { signal: AbortSignal.timeout(4_000) }).catch(() => undefined);
      socket.destroy();
    }
    expect(await probeUpgrade(gateway.ws(), { token: tokenFor('alice') })).toMatchObject({ status: 101 });
    expect(gateway.isAlive).toBe(true);
  });
});

describe('the address limit', () => {
  it('answers 429 with Retry-After after 100 failures of one address, a good token included', async () => {
    const address = someAddress();
    await fail(address, 100);
    const blocked = await probeUpgrade(gateway.ws(), { token: tokenFor('alice'), headers: from(address) });
    expect(blocked).toMatchObject({ status: 429, body: error('rate_limited') });
    expect(Number(blocked.headers['retry-after'])).toBeGreaterThan(0);
    expect(Number(blocked.headers['retry-after'])).toBeLessThanOrEqual(60);
    const other = await probeUpgrade(gateway.ws(), {
      token: tokenFor('alice'),
      headers: from(someAddress()),
    });
    expect(other.status).toBe(101);
  });

  it('counts an IPv6 network of 64 bits as one address', async () => {
    const network = `2001:db8:${(Date.now() % 0xffff).toString(16)}:7`;
    for (let host = 1; host <= 100; host += 1) await fail(`${network}::${host.toString(16)}`, 1);
    const headers = from(`${network}:ffff::1`);
    expect(await probeUpgrade(gateway.ws(), { token: tokenFor('a'), headers })).toMatchObject({
      status: 429,
    });
    const neighbour = from(`${network}1::1`);
    expect((await probeUpgrade(gateway.ws(), { token: tokenFor('a'), headers: neighbour })).status).toBe(101);
  });

  it('does not count those who come in, nor what a foreign page makes its visitors send', async () => {
    const address = someAddress();
    const headers = from(address);
    await fail(address, 99);
    for (let good = 0; good < 5; good += 1)
      expect((await probeUpgrade(gateway.ws(), { token: tokenFor('a'), headers })).status).toBe(101);
    const foreign = { ...headers, origin: 'https://evil.example' };
    expect((await probeUpgrade(gateway.ws(), { headers: foreign })).status).toBe(403);
    expect((await probeUpgrade(gateway.ws(), { token: tokenFor('a'), headers })).status).toBe(101);
  });

  it('believes no X-Forwarded-For left of the first address that is no proxy of ours', async () => {
    const address = someAddress();
    await fail(`10.0.0.1, ${address}`, 50);
    await fail(`10.0.0.2, ${address}`, 50);
    expect((await probeUpgrade(gateway.ws(), { headers: from(address) })).status).toBe(429);
    expect(
      (await probeUpgrade(gateway.ws(), { token: tokenFor('a'), headers: from('10.0.0.1') })).status,
    ).toBe(101);
  });
});

describe('the order of the checks', () => {
  it('asks the address before the path, the path before the Origin, the Origin before the credential', async () => {
    const address = someAddress();
    const bad = { token: 'a.b.c', headers: { origin: 'https://evil.example' } };
    expect((await probeUpgrade(`${gateway.url}/nowhere`, bad)).status).toBe(404);
    expect((await probeUpgrade(gateway.ws(), bad)).status).toBe(403);
    await fail(address, 100);
    const blocked = { token: 'a.b.c', headers: { ...bad.headers, ...from(address) } };
    expect((await probeUpgrade(`${gateway.url}/nowhere`, blocked)).status).toBe(429);
  });
});

describe('Origin', () => {
  const token = tokenFor('alice');
  it.each([APP, 'http://localhost:5173', 'HTTPS://APP.example.com:443'])('%s is let in', async (origin) => {
    expect((await probeUpgrade(gateway.ws(), { token, headers: { origin } })).status).toBe(101);
  });

  it.each([
    'null',
    'https://app.example.com.evil.example',
    'https://evil-app.example.com',
    'http://app.example.com',
    'https://app.example.com:8443',
    'https://app.example.com/',
    'https://user@app.example.com',
    '',
  ])('"%s" is refused', async (origin) => {
    const answer = await probeUpgrade(gateway.ws(), { token, headers: { origin } });
    expect(answer).toMatchObject({ status: 403, body: error('forbidden') });
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  });

  it('that comes twice is refused, and a missing one passes', async () => {
    const twice = await probeUpgrade(gateway.ws(), { token, headers: { origin: [APP, APP] } });
    expect(twice.status).toBe(403);
    expect((await probeUpgrade(gateway.ws(), { token })).status).toBe(101);
  });

  it('is required where the operator says so, and is the own host where no list is set', async () => {
    const strict = await startGateway({ REQUIRE_ORIGIN: '1' });
    try {
      const own = { origin: strict.url };
      expect((await probeUpgrade(strict.ws(), { token })).status).toBe(403);
      expect((await probeUpgrade(strict.ws(), { token, headers: own })).status).toBe(101);
      expect((await probeUpgrade(strict.ws(), { token, headers: { origin: APP } })).status).toBe(403);
      const secure = { origin: strict.url.replace('http:', 'https:') };
      expect((await probeUpgrade(strict.ws(), { token, headers: secure })).status).toBe(403);
    } finally {
      await strict.stop();
    }
  });
});

describe('GET /ws without an upgrade', () => {
  const ask = (query = '', headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${gateway.url}/ws${query}`, { headers });

  it('answers 426 to whoever would be admitted, and the refusal to the others', async () => {
    const admitted = await ask('', { authorization: `Bearer ${tokenFor('alice')}` });
    expect(admitted.status).toBe(426);
    expect(admitted.headers.get('upgrade')?.toLowerCase()).toBe('websocket');
    expect((await ask()).status).toBe(426);
    const refused = await ask('', { authorization: 'Bearer a.b.c' });
    expect(refused.status).toBe(401);
    expect(await refused.json()).toEqual(error('unauthenticated'));
    expect((await ask('', { origin: 'https://evil.example' })).status).toBe(403);
  });

  it('uses no ticket up', async () => {
    const ticket = await gateway.ticket(tokenFor('alice'));
    for (let times = 0; times < 3; times += 1) expect((await ask(`?ticket=${ticket}`)).status).toBe(426);
    expect((await probeUpgrade(gateway.ws(`?ticket=${ticket}`))).status).toBe(101);
    expect((await ask(`?ticket=${ticket}`)).status).toBe(401);
  });

  it('shows its answer, Retry-After included, to the pages that may ask, and to no other', async () => {
    const page = await ask('', { origin: APP, authorization: 'Bearer a.b.c' });
    expect(page.headers.get('access-control-allow-origin')).toBe(APP);
    expect(page.headers.get('access-control-allow-credentials')).toBe('true');
    expect(page.headers.get('access-control-expose-headers')).toContain('Retry-After');
    expect(page.headers.get('vary')).toContain('Origin');
    const stranger = await ask('', { origin: 'https://evil.example' });
    expect(stranger.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('answers the preflight of a page that may ask with 204, of another with 403', async () => {
    const preflight = (origin: string): Promise<Response> =>
      fetch(`${gateway.url}/ws`, {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'GET',
          'access-control-request-headers': 'authorization',
        },
      });
    const allowed = await preflight(APP);
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get('access-control-allow-headers')?.toLowerCase()).toContain('authorization');
    expect((await preflight('https://evil.example')).status).toBe(403);
  });
});

describe('subprotocols', () => {
  const token = tokenFor('alice');
  const selected = async (protocols: readonly string[], bearer?: string): Promise<string | undefined> => {
    const answer = await probeUpgrade(gateway.ws(), { protocols, ...(bearer && { token: bearer }) });
    expect(answer.status).toBe(101);
    return answer.headers['sec-websocket-protocol'];
  };

  it('selects the best version of ours that is offered', async () => {
    expect(await selected(['chat', 'aerie.v9.json', 'aerie.v1.json'], token)).toBe('aerie.v1.json');
    expect(await selected(['aerie.v1.json', `aerie.bearer.${token}`])).toBe('aerie.v1.json');
  });

  it('echoes a token only where nothing else is offered', async () => {
    expect(await selected([`aerie.bearer.${token}`])).toBe(`aerie.bearer.${token}`);
    expect(await selected(['aerie.v9.json', `aerie.bearer.${token}`])).toBeUndefined();
    expect(await selected(['chat', `aerie.bearer.${token}`])).toBe('chat');
  });

  it('answers JSON to a client that offers none', async () => {
    using client = await openClient(gateway.ws(), { token });
    expect(client.socket.protocol).toBe('');
    await client.frame('$welcome');
  });
});

describe('a node that takes nobody', () => {
  it('answers 503 with Retry-After and Connection: close while it drains', async () => {
    const draining = await startGateway({ DRAIN_WINDOW_MS: '20000' });
    try {
      using client = await openClient(draining.ws(), { token: tokenFor('alice') });
      await client.frame('$welcome');
      await fetch(`http://127.0.0.1:${draining.internalPort}/internal/drain`, { method: 'POST' });
      const answer = await probeUpgrade(draining.ws(), { token: 'a.b.c', headers: { origin: 'null' } });
      expect(answer).toMatchObject({ status: 503, body: error('draining') });
      expect(answer.headers).toMatchObject({ connection: 'close', 'retry-after': '1' });
      const asked = await fetch(`${draining.url}/ws`);
      expect(asked.status).toBe(503);
    } finally {
      await draining.stop();
    }
  });

  it('answers 503 with Retry-After when it is full, and takes exactly as many as it was told', async () => {
    const small = await startGateway({ MAX_CONNECTIONS: '2' });
    try {
      const answers = await Promise.all(
        Array.from({ length: 6 }, (_, index) =>
          openClient(small.ws(), { token: tokenFor(`user-${index}`) }).catch((refused: unknown) => refused),
        ),
      );
      const refused = answers.filter((answer) => answer instanceof Error);
      expect(refused).toHaveLength(4);
      for (const answer of refused)
        expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
      expect(await small.connections()).toBe(2);
    } finally {
      await small.stop();
    }
  });

  it('counts those who have yet to say who they are', async () => {
    const small = await startGateway({ MAX_CONNECTIONS: '2' });
    try {
      const clients = [await openClient(small.ws()), await openClient(small.ws())];
      expect((await probeUpgrade(small.ws(), { token: tokenFor('late') })).status).toBe(503);
      for (const client of clients) client.send('$auth', { token: tokenFor('alice') });
      for (const client of clients) await client.frame('$welcome');
      expect(await small.connections()).toBe(2);
    } finally {
      await small.stop();
    }
  });

  it('answers 429 with Retry-After to a user with too many connections', async () => {
    const limited = await startGateway({ MAX_CONNECTIONS_PER_USER: '2' });
    try {
      const options = { token: tokenFor('alice') };
      const clients = [await openClient(limited.ws(), options), await openClient(limited.ws(), options)];
      const answer = await probeUpgrade(limited.ws(), options);
      expect(answer).toMatchObject({ status: 429, body: error('rate_limited') });
      expect(answer.headers['retry-after']).toBe('5');
      await clients[0]?.close();
      await vi.waitFor(async () => expect((await probeUpgrade(limited.ws(), options)).status).toBe(101));
    } finally {
      await limited.stop();
    }
  });
});

let asking = 0;

@Injectable()
class Hanging implements CanActivate {
  canActivate(): Promise<boolean> {
    asking += 1;
    return new Promise(() => undefined);
  }
}

@WebSocketGateway({ path: '/ws' })
@UseGuards(Hanging)
class Stuck {}

describe('a guard that hangs', () => {
  it('ends in 408 after 10 s, and outlives clients that reset the connection meanwhile', async () => {
    await using app = await startNestApp({ providers: [Stuck, Hanging] });
    const startedAt = performance.now();
    const answer = app.probe('patient');
    const request = upgradeRequest('/ws', '127.0.0.1', { token: tokenFor('resetter') });
    const sockets = Array.from({ length: 20 }, () => connect(app.port, '127.0.0.1'));
    for (const socket of sockets) socket.on('error', () => undefined).write(request);
    await vi.waitFor(() => expect(asking).toBe(21));
    for (const socket of sockets) socket.resetAndDestroy();
    expect(await answer).toMatchObject({ status: 408, body: error('timeout') });
    expect(performance.now() - startedAt).toBeGreaterThan(9_900);
    expect(performance.now() - startedAt).toBeLessThan(12_000);
    expect((await fetch(app.url('/nowhere'))).status).toBe(404);
  });
});

function maskedText(text: string): Buffer {
  const payload = Buffer.from(text);
  const mask = Buffer.from([1, 2, 3, 4]);
  const masked = payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0));
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.byteLength]), mask, masked]);
}

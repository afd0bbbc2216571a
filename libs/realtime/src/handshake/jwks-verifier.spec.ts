import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Logger } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, type JWK } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Session } from '../connections/session.js';
import type { HandshakeRequest } from './authenticator.js';
import { JwtAuthenticator } from './jwt-authenticator.js';
import { Refusal } from '../refusal.js';

const MINUTE_MS = 60_000;
const NOW = 1_800_000_000;
const request = {} as HandshakeRequest;

interface Signer {
  readonly alg: string;
  readonly kid: string;
  readonly jwk: JWK;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

async function signer(alg: string, kid: string): Promise<Signer> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { alg, kid, privateKey, publicKey, jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig' } };
}

function sign({ alg, kid, privateKey }: Signer, header: object = {}): Promise<string> {
  return new SignJWT({ sub: 'alice' })
    .setExpirationTime(NOW + 86_400)
    .setProtectedHeader({ alg, kid, ...header })
    .sign(privateKey);
}

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** An issuer on a real socket, whose answer can be changed. */
class Issuer {
  readonly #server: Server = createServer((...exchange) => {
    this.fetches += 1;
    this.answer(...exchange);
  });
  fetches = 0;
  answer: RequestListener = () => undefined;

  async start(): Promise<void> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/jwks?key=secret-of-the-url`;
  }

  publish(...signers: readonly Signer[]): void {
    this.answerJson({ keys: signers.map(({ jwk }) => jwk) });
  }

  answerJson(body: unknown): void {
    this.answer = (_request, response) =>
      response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
  }

  fail(): void {
    this.answer = (_request, response) => response.writeHead(500).end();
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

const issuer = new Issuer();
let es256: Signer;
let rotated: Signer;
let warnings: string[];
let authenticator: JwtAuthenticator;

beforeAll(async () => {
  await issuer.start();
  es256 = await signer('ES256', 'k-1');
  rotated = await signer('ES256', 'k-2');
});
afterAll(() => issuer.stop());

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'], now: NOW * 1000 });
  warnings = [];
  vi.spyOn(Logger.prototype, 'warn').mockImplementation(
    (message: unknown) => void warnings.push(String(message)),
  );
  issuer.publish(es256);
  issuer.fetches = 0;
  authenticator = new JwtAuthenticator(new JwtService(), { jwksUrl: issuer.url });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

function outcomeOf(token: string): Promise<Session | Refusal> {
  return authenticator.authenticate(request, { source: 'header', value: token });
}

async function verdict(token: string): Promise<string> {
  const outcome = await outcomeOf(token);
  return outcome instanceof Refusal ? `${outcome.status} ${outcome.reason}` : 'accepted';
}

describe('an asymmetric token', () => {
  it.each(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'])(
    'of %s is accepted',
    async (alg) => {
      const one = await signer(alg, 'k');
      issuer.publish(one);
      expect(await outcomeOf(await sign(one))).toMatchObject({
        user: 'alice',
        expiresAt: (NOW + 86_400) * 1000,
      });
    },
  );

  it('of another key is refused, whatever its kid says', async () => {
    expect(await verdict(await sign({ ...rotated, kid: 'k-1' }))).toBe('401 bad_signature');
  });

  it('is refused by time as any other', async () => {
    const token = await sign(es256);
    vi.setSystemTime((NOW + 86_400 + 5) * 1000);
    expect(await verdict(token)).toBe('401 expired');
  });

  it('needs no kid where one key fits, and is refused where several do', async () => {
    const token = await sign(es256, { kid: undefined });
    expect(await verdict(token)).toBe('accepted');
    issuer.publish(es256, rotated);
    authenticator = new JwtAuthenticator(new JwtService(), { jwksUrl: issuer.url });
    expect(await verdict(token)).toBe('401 ambiguous_key');
  });

  it('can not bring its own key', async () => {
    const header = { jwk: rotated.jwk, jku: 'http://127.0.0.1:1/evil', x5u: 'http://127.0.0.1:1/evil' };
    expect(await verdict(await sign({ ...rotated, kid: 'k-1' }, header))).toBe('401 bad_signature');
    expect(await verdict(await sign(es256, header))).toBe('accepted');
  });

  it('with a critical extension is refused', async () => {
    const [, claims = '', signature = ''] = (await sign(es256)).split('.');
    const header = Buffer.from(JSON.stringify({ alg: 'ES256', kid: 'k-1', crit: ['x'], x: 1 })).toString(
      'base64url',
    );
    expect(await verdict(`${header}.${claims}.${signature}`)).toBe('401 critical_extension');
  });

  it('is refused without a question to the issuer where only a secret is configured', async () => {
    authenticator = new JwtAuthenticator(new JwtService(), {
      secret: 'a-secret-of-more-than-thirty-two-bytes',
    });
    expect(await verdict(await sign(es256))).toBe('401 algorithm');
    expect(issuer.fetches).toBe(0);
  });
});

describe('a symmetric token', () => {
  it('signed with a public key is refused, with and without a secret', async () => {
    const keys = [await exportSPKI(es256.publicKey), JSON.stringify(es256.jwk), es256.jwk.x ?? ''];
    for (const key of keys) {
      const signed = `${part({ alg: 'HS256', kid: 'k-1' })}.${part({ sub: 'alice', exp: NOW + 60 })}`;
      const token = `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
      expect(await verdict(token)).toBe('401 algorithm');
      authenticator = new JwtAuthenticator(new JwtService(), {
        jwksUrl: issuer.url,
        secret: 'the-real-secret-of-32-bytes-or-more!',
      });
      expect(await verdict(token)).toBe('401 bad_signature');
      authenticator = new JwtAuthenticator(new JwtService(), { jwksUrl: issuer.url });
    }
  });

  it('is refused even if the key set holds a symmetric key', async () => {
    const k = Buffer.from('published-by-mistake').toString('base64url');
    issuer.answerJson({ keys: [{ kty: 'oct', k, kid: 'k-1', alg: 'HS256' }, es256.jwk] });
    expect(await verdict(await sign(es256))).toBe('accepted');
    const token = await new SignJWT({ sub: 'alice' })
      .setExpirationTime(NOW + 60)
      .setProtectedHeader({ alg: 'HS256', kid: 'k-1' })
      .sign(Buffer.from('published-by-mistake'));
    expect(await verdict(token)).toBe('401 algorithm');
  });
});

describe('the key set', () => {
  it('is fetched once for many tokens', async () => {
    const token = await sign(es256);
    await Promise.all(Array.from({ length: 20 }, () => verdict(token)));
    vi.advanceTimersByTime(9 * MINUTE_MS);
    expect(await verdict(token)).toBe('accepted');
    expect(issuer.fetches).toBe(1);
  });

  it('is fetched for an unknown key, but only once in 30 s', async () => {
    const [known, unknown] = [await sign(es256), await sign(rotated)];
    expect(await verdict(known)).toBe('accepted');
    expect(await verdict(unknown)).toBe('401 unknown_key');
    expect(issuer.fetches).toBe(1);
    issuer.publish(es256, rotated);
    vi.advanceTimersByTime(29_999);
    expect(await verdict(unknown)).toBe('401 unknown_key');
    vi.advanceTimersByTime(1);
    expect(await Promise.all([verdict(unknown), verdict(unknown), verdict(unknown)])).toEqual([
      'accepted',
      'accepted',
      'accepted',
    ]);
    expect(issuer.fetches).toBe(2);
  });

  it('is not fetched more often for a flood of made-up keys', async () => {
    const tokens = await Promise.all(
      Array.from({ length: 50 }, (_, index) => sign({ ...rotated, kid: `made-up-${index}` })),
    );
    expect(new Set(await Promise.all(tokens.map(verdict)))).toEqual(new Set(['401 unknown_key']));
    expect(issuer.fetches).toBe(1);
  });

  it('drops a key that the issuer took back, within 10 minutes', async () => {
    const token = await sign(es256);
    expect(await verdict(token)).toBe('accepted');
    issuer.publish(rotated);
    vi.advanceTimersByTime(10 * MINUTE_MS);
    expect(await verdict(token)).toBe('401 unknown_key');
  });

  it('serves for an hour while the issuer is away, then answers 503', async () => {
    const token = await sign(es256);
    expect(await verdict(token)).toBe('accepted');
    issuer.fail();
    vi.advanceTimersByTime(60 * MINUTE_MS - 1);
    expect(await verdict(token)).toBe('accepted');
    expect(await verdict(await sign(rotated))).toBe('503 jwks_away');
    vi.advanceTimersByTime(1);
    expect(await outcomeOf(token)).toMatchObject({ status: 503, code: 'unavailable', retryAfterSeconds: 2 });
    issuer.publish(es256);
    vi.advanceTimersByTime(30_000);
    expect(await verdict(token)).toBe('accepted');
  });

  it('is asked for again every 2 s while there is none', async () => {
    const token = await sign(es256);
    issuer.fail();
    expect(await verdict(token)).toBe('503 jwks_away');
    issuer.publish(es256);
    vi.advanceTimersByTime(1_999);
    expect(await verdict(token)).toBe('503 jwks_away');
    vi.advanceTimersByTime(1);
    expect(await verdict(token)).toBe('accepted');
    expect(issuer.fetches).toBe(2);
  });

  it('does not keep anyone waiting for long when the issuer is silent', async () => {
    issuer.answer = () => undefined;
    const before = process.hrtime.bigint();
    expect(await verdict(await sign(es256))).toBe('503 jwks_away');
    expect(Number(process.hrtime.bigint() - before) / 1e6).toBeLessThan(5_000);
  });

  it.each<[string, RequestListener]>([
    [
      'an endless body',
      (_request, response) => {
        const write = (): void =>
          void response.write(' '.repeat(65_536), () => !response.destroyed && write());
        write();
      },
    ],
    ['no JSON', (_request, response) => response.end('<html>')],
    ['no key set', (_request, response) => response.end('{"keys": 7}')],
    [
      'a redirect',
      (_request, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/evil' }).end(),
    ],
    ['a cut connection', (_request, response) => response.destroy()],
  ])('is away when the issuer answers with %s', async (_name, answer) => {
    issuer.answer = answer;
    expect(await verdict(await sign(es256))).toBe('503 jwks_away');
  });

  it('that can not be loaded is logged once, without the URL', async () => {
    issuer.fail();
    for (let round = 0; round < 3; round += 1) {
      await verdict(await sign(es256));
      vi.advanceTimersByTime(2_000);
    }
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('status 500');
    expect(warnings[0]).not.toContain('secret-of-the-url');
  });

  it.each(['file:///etc/passwd', 'not a url', 'data:application/json,{}'])(
    'has an http URL, not %s',
    (jwksUrl) => {
      expect(() => new JwtAuthenticator(new JwtService(), { jwksUrl })).toThrow(TypeError);
    },
  );
});

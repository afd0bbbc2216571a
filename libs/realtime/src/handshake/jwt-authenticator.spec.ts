import { createHmac, generateKeyPairSync } from 'node:crypto';
import { JwtService } from '@nestjs/jwt';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Session } from '../connections/session.js';
import type { JwtOptions } from './auth-options.js';
import type { CredentialSource, HandshakeRequest } from './authenticator.js';
import { JwtAuthenticator } from './jwt-authenticator.js';
import { Refusal } from '../refusal.js';
import { assertStrongSecret } from './secret-verifier.js';

const secret = 'an-hmac-secret-of-more-than-32-bytes';
const NOW = 1_800_000_000;
const request = {} as HandshakeRequest;
const good = { sub: 'alice', exp: NOW + 600 };

beforeEach(() => vi.useFakeTimers({ toFake: ['Date'], now: NOW * 1000 }));
afterEach(() => vi.useRealTimers());

interface Signing {
  readonly header?: object;
  readonly key?: string;
  readonly hash?: string;
}

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** Signs anything, also what a library would refuse to. */
function sign(claims: unknown, { header = {}, key = secret, hash = 'sha256' }: Signing = {}): string {
  const signed = `${part({ alg: 'HS256', typ: 'JWT', ...header })}.${part(claims)}`;
  return `${signed}.${createHmac(hash, key).update(signed).digest('base64url')}`;
}

interface Trial {
  readonly options?: JwtOptions;
  readonly source?: CredentialSource;
  readonly jwt?: JwtService;
}

function outcomeOf(
  token: string,
  { options, source = 'header', jwt = new JwtService() }: Trial = {},
): Promise<Session | Refusal> {
  return new JwtAuthenticator(jwt, { secret, ...options }).authenticate(request, { source, value: token });
}

async function verdict(token: string, trial: Trial = {}): Promise<string> {
  const outcome = await outcomeOf(token, trial);
  if (!(outcome instanceof Refusal)) return 'accepted';
  expect(outcome).toMatchObject({ status: 401, code: 'unauthenticated', message: 'authentication failed' });
  return outcome.reason;
}

describe('a session from a JWT', () => {
  it('has the user, tenant, claims, times and id of the token', async () => {
    const claims = { ...good, tenant: 'acme', iat: NOW - 10, jti: 'j-1', roles: ['admin'] };
    expect(await outcomeOf(sign(claims))).toEqual({
      user: 'alice',
      tenant: 'acme',
      claims,
      expiresAt: (NOW + 600) * 1000,
      issuedAt: (NOW - 10) * 1000,
      jti: 'j-1',
    });
  });

  it('has no field that the token does not have', async () => {
    expect(Object.keys(await outcomeOf(sign(good)))).toEqual(['user', 'claims', 'expiresAt']);
  });

  it('expires with session_exp where there is one, later or earlier than the token', async () => {
    expect(await outcomeOf(sign({ ...good, session_exp: NOW + 9000 }))).toMatchObject({
      expiresAt: (NOW + 9000) * 1000,
    });
    expect(await outcomeOf(sign({ ...good, session_exp: NOW + 60 }))).toMatchObject({
      expiresAt: (NOW + 60) * 1000,
    });
  });

  it('needs a credential', async () => {
    const outcome = await new JwtAuthenticator(new JwtService(), { secret }).authenticate(request, undefined);
    expect(outcome).toMatchObject({ status: 401, reason: 'no_credential' });
  });
});

describe('the times of a token', () => {
  it.each([
    ['accepted', { exp: NOW + 1 }],
    ['accepted', { exp: NOW - 4 }],
    ['expired', { exp: NOW - 5 }],
    ['expired', { exp: 0 }],
    ['invalid_exp', { exp: undefined }],
    ['invalid_token', { exp: `${NOW + 600}` }],
    ['invalid_token', { exp: null }],
    ['invalid_token', { exp: [NOW + 600] }],
    ['invalid_exp', { exp: 1e300 }],
    ['accepted', { nbf: NOW + 5 }],
    ['not_yet_valid', { nbf: NOW + 6 }],
    ['invalid_token', { nbf: `${NOW}` }],
    ['invalid_time', { iat: `${NOW}` }],
    ['invalid_time', { session_exp: `${NOW + 600}` }],
    ['invalid_time', { session_exp: null }],
    ['session_expired', { session_exp: NOW - 5 }],
  ])('make it %s: %j', async (expected, times) => {
    expect(await verdict(sign({ ...good, ...times }))).toBe(expected);
  });

  it('let a session that only the leeway accepts live until the leeway is over', async () => {
    expect(await outcomeOf(sign({ ...good, exp: NOW - 3 }))).toMatchObject({ expiresAt: (NOW + 2) * 1000 });
  });

  it('are compared with the leeway that is set', async () => {
    expect(await verdict(sign({ ...good, exp: NOW }), { options: { leewaySeconds: 0 } })).toBe('expired');
    expect(await verdict(sign({ ...good, exp: NOW - 59 }), { options: { leewaySeconds: 60 } })).toBe(
      'accepted',
    );
  });
});

describe('the subject of a token', () => {
  it.each([
    ['accepted', 'å'.repeat(64)],
    ['invalid_sub', 'å'.repeat(64) + 'x'],
    ['invalid_sub', ''],
    ['invalid_sub', 'a\u0000b'],
    ['invalid_sub', 'a\nb'],
    ['invalid_sub', 42],
    ['invalid_sub', null],
    ['invalid_sub', undefined],
    ['invalid_sub', ['alice']],
    ['invalid_sub', { toString: 'alice' }],
  ])('makes it %s: %j', async (expected, sub) => {
    expect(await verdict(sign({ ...good, sub }))).toBe(expected);
  });

  it.each([
    ['invalid_tenant', { tenant: 7 }],
    ['invalid_tenant', { tenant: '' }],
    ['invalid_tenant', { tenant: 'a\nb' }],
    ['accepted', { tenant: null }],
    ['invalid_jti', { jti: 7 }],
  ])('is %s with %j', async (expected, claims) => {
    expect(await verdict(sign({ ...good, ...claims }))).toBe(expected);
  });

  it.each([['"alice"'], [['alice']], [null], [7]])('needs claims that are an object: %j', async (claims) => {
    expect(await verdict(sign(claims))).toBe('malformed_token');
  });
});

describe('audience, issuer and type', () => {
  it.each([
    ['accepted', { audience: 'chat' }, { aud: 'chat' }],
    ['accepted', { audience: 'chat' }, { aud: ['mail', 'chat'] }],
    ['accepted', { audience: ['chat', 'mail'] }, { aud: 'mail' }],
    ['wrong_audience', { audience: 'chat' }, { aud: 'chats' }],
    ['wrong_audience', { audience: 'chat' }, {}],
    ['wrong_audience', { audience: 'chat' }, { aud: [['chat']] }],
    ['wrong_audience', { audience: [] }, { aud: 'chat' }],
    ['accepted', { issuer: 'https://id.example' }, { iss: 'https://id.example' }],
    ['wrong_issuer', { issuer: 'https://id.example' }, { iss: 'https://id.example/' }],
    ['wrong_issuer', { issuer: 'https://id.example' }, { iss: ['https://id.example'] }],
    ['wrong_issuer', { issuer: 'https://id.example' }, {}],
  ])('%s with %j for %j', async (expected, options, claims) => {
    expect(await verdict(sign({ ...good, ...claims }), { options })).toBe(expected);
  });

  it.each([
    ['accepted', 'at+jwt'],
    ['accepted', 'application/AT+JWT'],
    ['wrong_typ', 'JWT'],
    ['wrong_typ', undefined],
    ['wrong_typ', ['at+jwt']],
  ])('%s with typ %j where at+jwt is set', async (expected, typ) => {
    expect(await verdict(sign(good, { header: { typ } }), { options: { typ: 'at+jwt' } })).toBe(expected);
  });
});

describe('a token in a URL', () => {
  it.each([
    ['accepted', { iat: NOW, exp: NOW + 60 }],
    ['accepted', { iat: NOW + 5, exp: NOW + 65 }],
    ['accepted', { iat: NOW - 30, exp: NOW + 30, session_exp: NOW + 36_000 }],
    ['query_token_life', { iat: NOW, exp: NOW + 61 }],
    ['query_token_life', { iat: NOW - 600, exp: NOW + 30 }],
    ['query_token_life', { iat: NOW + 3, exp: NOW + 3 }],
    ['query_token_life', { iat: NOW + 3, exp: NOW + 2 }],
    ['query_token_iat', { iat: NOW + 6, exp: NOW + 60 }],
    ['query_token_iat', { iat: NOW + 1e9, exp: NOW + 1e9 + 60 }],
    ['query_token_iat', { exp: NOW + 60 }],
    ['invalid_time', { iat: `${NOW}`, exp: NOW + 60 }],
    ['invalid_time', { iat: null, exp: NOW + 60 }],
    ['expired', { iat: NOW - 65, exp: NOW - 5 }],
  ])('is %s with %j', async (expected, times) => {
    expect(await verdict(sign({ sub: 'alice', ...times }), { source: 'query' })).toBe(expected);
  });

  it.each(['header', 'subprotocol', 'cookie', 'message'] as const)(
    'is the only one that must be so short: not one from the %s',
    async (source) => {
      expect(await verdict(sign({ sub: 'alice', exp: NOW + 86_400 }), { source })).toBe('accepted');
    },
  );
});

describe('the signature of a token', () => {
  it('is good with the secret or the previous one, and no other', async () => {
    const previousSecret = 'the-secret-of-last-month-also-32-bytes';
    expect(await verdict(sign(good, { key: previousSecret }))).toBe('bad_signature');
    expect(await verdict(sign(good, { key: previousSecret }), { options: { previousSecret } })).toBe(
      'accepted',
    );
    expect(await verdict(sign(good), { options: { previousSecret } })).toBe('accepted');
    expect(await verdict(sign(good, { key: 'guessed' }), { options: { previousSecret } })).toBe(
      'bad_signature',
    );
    expect(
      await verdict(sign({ ...good, exp: NOW - 60 }, { key: previousSecret }), {
        options: { previousSecret },
      }),
    ).toBe('expired');
  });

  it('covers every byte of header and claims', async () => {
    const [header = '', , signature = ''] = sign(good).split('.');
    const forged = Buffer.from(JSON.stringify({ ...good, sub: 'admin' })).toString('base64url');
    expect(await verdict(`${header}.${forged}.${signature}`)).toBe('bad_signature');
  });

  it.each([
    ['none', {}],
    ['None', {}],
    ['nOnE', {}],
    ['HS384', { hash: 'sha384' }],
    ['HS512', { hash: 'sha512' }],
    ['hs256', {}],
    ['RS256', {}],
    ['', {}],
  ])('of algorithm %j is refused', async (alg, signing) => {
    expect(await verdict(sign(good, { ...signing, header: { alg } }))).toBe('algorithm');
  });

  it.each([[null], [256], [['HS256']], [undefined]])('of algorithm %j is refused', async (alg) => {
    expect(await verdict(sign(good, { header: { alg } }))).toBe('malformed_token');
  });

  it('can not be left out', async () => {
    const [header = '', claims = ''] = sign(good, { header: { alg: 'none' } }).split('.');
    expect(await verdict(`${header}.${claims}.`)).toBe('malformed_token');
    expect(await verdict(`${header}.${claims}`)).toBe('malformed_token');
    const [hs256 = ''] = sign(good).split('.');
    expect(await verdict(`${hs256}.${claims}.`)).toBe('malformed_token');
  });

  it('is not made with a public key that someone took for the secret', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    expect(() => new JwtAuthenticator(new JwtService(), { secret: pem })).toThrow(/public or private key/);
    expect(() => assertStrongSecret(pem, false)).toThrow(/public or private key/);
  });

  it.each([{ crit: ['exp'] }, { crit: ['b64'], b64: false }, { crit: [] }, { crit: 'x' }, { crit: null }])(
    'is refused with the critical header %j',
    async (header) => {
      expect(await verdict(sign(good, { header }))).toBe('critical_extension');
    },
  );

  it('is checked with our key, whatever keys the token brings along', async () => {
    const jwk = { kty: 'oct', k: Buffer.from('evil').toString('base64url') };
    const header = {
      jwk,
      jku: 'https://evil.example/jwks',
      x5u: 'https://evil.example/x5u',
      kid: '../../dev/null',
    };
    expect(await verdict(sign(good, { header, key: 'evil' }))).toBe('bad_signature');
    expect(await verdict(sign(good, { header }))).toBe('accepted');
  });

  it.each(['', 'a', 'a.b', 'a.b.c', 'a.b.c.d', '....', 'e30.e30.e30', `${'a'.repeat(9000)}.b.c`, 'Bearer x'])(
    'is refused on what is no token: %s',
    async (token) => {
      expect(['malformed_token', 'credential_too_long']).toContain(await verdict(token));
    },
  );

  it('is refused where neither a secret nor a JWKS is configured', async () => {
    const authenticator = new JwtAuthenticator(new JwtService({ secret }), {});
    expect(await authenticator.authenticate(request, { source: 'header', value: sign(good) })).toMatchObject({
      reason: 'algorithm',
    });
  });
});

describe("the application's own JwtService", () => {
  it('can not loosen the rules by its defaults', async () => {
    const jwt = new JwtService({
      secret: 'the-app-has-another-secret-for-its-own',
      verifyOptions: {
        ignoreExpiration: true,
        ignoreNotBefore: true,
        complete: true,
        algorithms: ['HS512', 'none'],
      },
    });
    expect(await verdict(sign(good), { jwt })).toBe('accepted');
    expect(await verdict(sign({ ...good, exp: NOW - 60 }), { jwt })).toBe('expired');
    expect(await verdict(sign({ ...good, nbf: NOW + 60 }), { jwt })).toBe('not_yet_valid');
    expect(await verdict(sign(good, { header: { alg: 'HS512' }, hash: 'sha512' }), { jwt })).toBe(
      'algorithm',
    );
    expect(await verdict(sign(good, { key: 'the-app-has-another-secret-for-its-own' }), { jwt })).toBe(
      'bad_signature',
    );
  });

  it('is heard where it is strict', async () => {
    const jwt = new JwtService({ verifyOptions: { issuer: 'https://id.example' } });
    expect(await verdict(sign(good), { jwt })).toBe('invalid_token');
    expect(await verdict(sign({ ...good, iss: 'https://id.example' }), { jwt })).toBe('accepted');
  });

  it('may fail, which is not the fault of the token', async () => {
    const jwt = new JwtService({ secretOrKeyProvider: () => Promise.reject(new Error('vault sealed')) });
    await expect(outcomeOf(sign(good), { jwt })).rejects.toThrow('vault sealed');
  });
});

describe('a secret', () => {
  it('has 32 bytes in production, and is never empty', () => {
    expect(() => assertStrongSecret('x'.repeat(31), true)).toThrow('31 bytes');
    expect(() => assertStrongSecret('å'.repeat(16), true)).not.toThrow();
    expect(() => assertStrongSecret('short', false)).not.toThrow();
    expect(() => assertStrongSecret('', false)).toThrow('empty');
  });

  it('is never told by the error', () => {
    expect(() => assertStrongSecret('hunter2', true)).toThrow(
      expect.not.stringContaining('hunter2') as Error,
    );
  });

  it('that is empty is refused at once, as JwtService would take another', () => {
    expect(() => new JwtAuthenticator(new JwtService({ secret: 'the app' }), { secret: '' })).toThrow(
      'empty',
    );
    expect(() => new JwtAuthenticator(new JwtService(), { secret, previousSecret: '' })).toThrow('empty');
  });
});

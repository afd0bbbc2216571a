import { afterAll, describe, expect, it } from 'vitest';
import * as fc from 'fast-check';
import { ReceivedRequests } from '../../../../test/support/received-request.js';
import {
  exposeBearer,
  findCredential,
  parseCookies,
  parseQuery,
  type CredentialOptions,
} from './credentials.js';
import { Refusal } from '../refusal.js';

const requests = new ReceivedRequests();
afterAll(() => requests.close());

async function found(
  target: string,
  lines: readonly string[] = [],
  options: CredentialOptions = {},
): Promise<unknown> {
  const outcome = findCredential(await requests.receive(target, lines), options);
  return outcome instanceof Refusal ? `${outcome.status} ${outcome.reason}` : outcome;
}

const cookieName = 'session';
const EVERYWHERE = [
  'Authorization: Bearer header-token',
  'Sec-WebSocket-Protocol: aerie.v1.json, aerie.bearer.protocol-token',
  'Cookie: theme=dark; session=cookie-token',
] as const;

describe('the place of a credential', () => {
  it.each([
    [
      'the Authorization header',
      EVERYWHERE,
      '/ws?ticket=t-i&token=q-u',
      { source: 'header', value: 'header-token' },
    ],
    [
      'the subprotocol',
      EVERYWHERE.slice(1),
      '/ws?ticket=t-i&token=q-u',
      { source: 'subprotocol', value: 'protocol-token' },
    ],
    [
      'the cookie',
      EVERYWHERE.slice(2),
      '/ws?ticket=t-i&token=q-u',
      { source: 'cookie', value: 'cookie-token' },
    ],
    ['the ticket', [], '/ws?token=q-u&ticket=t-i', { source: 'ticket', value: 't-i' }],
    ['the query token', [], '/ws?a=1&token=q-u', { source: 'query', value: 'q-u' }],
  ])('is %s before all weaker ones', async (_place, lines, target, credential) => {
    expect(await found(target, lines, { cookieName })).toEqual(credential);
  });

  it('is nowhere on a request without one', async () => {
    expect(
      await found('/ws?tokens=a&Ticket=b', ['Cookie: session=x', 'Sec-WebSocket-Protocol: aerie.v1.json']),
    ).toBeUndefined();
  });

  it('is found in an absolute target and under a percent-encoded name, as other parsers would', async () => {
    expect(await found('http://aerie.test/ws?token=abc')).toEqual({ source: 'query', value: 'abc' });
    expect(await found('/ws?%74oken=abc')).toEqual({ source: 'query', value: 'abc' });
  });

  it('takes the scheme in any case', async () => {
    expect(await found('/ws', ['authorization: bEARER abc'])).toEqual({ source: 'header', value: 'abc' });
  });
});

describe('a bad credential in a stronger place', () => {
  const weaker = '/ws?token=good&ticket=good';

  it.each([
    ['an empty header', ['Authorization:']],
    ['a header without a token', ['Authorization: Bearer']],
    ['a header with blanks for a token', ['Authorization: Bearer   ']],
    ['a header of another scheme', ['Authorization: Basic YWxpY2U6eA==']],
    ['a header that only starts like a bearer', ['Authorization: Bearerx abc']],
    ['two tokens in one header', ['Authorization: Bearer abc, Bearer def']],
    ['a header with control characters', ['Authorization: Bearer a\tb']],
    ['a header with other letters', ['Authorization: Bearer äbc']],
    ['an empty bearer subprotocol', ['Sec-WebSocket-Protocol: aerie.bearer.']],
    ['an empty cookie', ['Cookie: session=']],
    ['a cookie with a line break', ['Cookie: session=a%0d%0ab']],
  ])('is refused and never replaced by a weaker one: %s', async (_name, lines) => {
    expect(await found(weaker, lines, { cookieName })).toBe('401 malformed_credential');
  });

  it('is refused where the ticket is empty and the token good', async () => {
    expect(await found('/ws?ticket=&token=good')).toBe('401 malformed_credential');
    expect(await found('/ws?ticket&token=good')).toBe('401 malformed_credential');
  });

  it('is refused when longer than 8 KiB, before anyone parses it', async () => {
    expect(await found('/ws', [`Authorization: Bearer ${'a'.repeat(8193)}`])).toBe('401 credential_too_long');
    expect(await found('/ws', [`Authorization: Bearer ${'a'.repeat(8192)}`])).toMatchObject({
      source: 'header',
    });
  });
});

describe('a credential that comes twice', () => {
  it.each([
    ['Authorization lines', '/ws', ['Authorization: Bearer a', 'Authorization: Bearer b']],
    ['Authorization lines of the same token', '/ws', ['Authorization: Bearer a', 'AUTHORIZATION: Bearer a']],
    ['a bad Authorization before a good one', '/ws', ['Authorization: Basic a', 'Authorization: Bearer b']],
    ['bearer subprotocols in one line', '/ws', ['Sec-WebSocket-Protocol: aerie.bearer.a, aerie.bearer.b']],
    [
      'bearer subprotocols in two lines',
      '/ws',
      ['Sec-WebSocket-Protocol: aerie.bearer.a', 'Sec-WebSocket-Protocol: aerie.bearer.a'],
    ],
    ['cookies of one name', '/ws', ['Cookie: session=a; session=b']],
    ['cookies of one name in two lines', '/ws', ['Cookie: session=a', 'Cookie: session=b']],
    ['tickets', '/ws?ticket=a&ticket=b', []],
    ['query tokens', '/ws?token=a&token=a', []],
    ['query tokens, one in disguise', '/ws?token=a&%74%6Fken=b', []],
  ])('is refused: %s', async (_name, target, lines) => {
    expect(await found(target, lines, { cookieName })).toBe('401 repeated_credential');
  });

  it('is no matter in a place that does not decide', async () => {
    expect(await found('/ws?token=a&token=b', ['Authorization: Bearer x'])).toMatchObject({
      source: 'header',
    });
  });
});

describe('an Authorization of another scheme', () => {
  const options = { otherSchemes: true };

  it('can be left to the application, and still decides', async () => {
    expect(
      await found('/ws?token=good&ticket=good', ['Authorization: Basic YWxpY2U6eA=='], options),
    ).toBeUndefined();
  });

  it('is refused there, too, when a bearer comes with it', async () => {
    expect(await found('/ws', ['Authorization: Basic a', 'Authorization: Bearer b'], options)).toBe(
      '401 repeated_credential',
    );
    expect(await found('/ws', ['Authorization: Bearer'], options)).toBe('401 malformed_credential');
  });
});

describe('exposing a bearer', () => {
  it.each([
    ['subprotocol', '/ws', ['Sec-WebSocket-Protocol: aerie.bearer.abc']],
    ['cookie', '/ws', ['Cookie: session=abc']],
    ['query', '/ws?token=abc', []],
  ])('copies one from the %s to where HTTP guards look', async (source, target, lines) => {
    const request = await requests.receive(target, lines);
    const credential = findCredential(request, { cookieName });
    expect(credential).toEqual({ source, value: 'abc' });
    if (credential && !(credential instanceof Refusal)) exposeBearer(request, credential);
    expect(request.headers.authorization).toBe('Bearer abc');
    expect(findCredential(request, { cookieName })).toEqual(credential);
  });

  it('never copies a ticket, and takes an earlier bearer away', async () => {
    const request = await requests.receive('/ws?ticket=abc');
    request.headers.authorization = 'Bearer earlier';
    exposeBearer(request, { source: 'ticket', value: 'abc' });
    expect(request.headers.authorization).toBeUndefined();
  });
});

describe('cookies', () => {
  const parsed = async (...lines: string[]): Promise<unknown> =>
    parseCookies(await requests.receive('/', lines));

  it('are decoded, unquoted, and the first of a name wins', async () => {
    expect(await parsed('Cookie: a=1; b="two"; c=%C3%A5; d=%zz; a=2; e=x=y; =nameless; flag')).toEqual({
      a: '1',
      b: 'two',
      c: 'å',
      d: '%zz',
      e: 'x=y',
    });
  });

  it('know no prototype', async () => {
    const cookies = await requests.receive('/', ['Cookie: __proto__=x; constructor=y']).then(parseCookies);
    expect(Object.keys(cookies)).toEqual(['__proto__', 'constructor']);
    expect(parseCookies(await requests.receive('/'))['toString']).toBeUndefined();
  });

  it('keep exotic spaces in a name: it is another name', async () => {
    const options = { cookieName: '__Host-session' };
    const line = `Cookie: ${Buffer.from('\u2000__Host-session=evil').toString('latin1')}; \u00a0__Host-session=evil`;
    expect(await found('/ws', [line], options)).toBeUndefined();
  });

  it('are bounded', async () => {
    const many = Array.from({ length: 400 }, (_, index) => `c${index}=1`).join('; ');
    expect(Object.keys(parseCookies(await requests.receive('/', [`Cookie: ${many}`])))).toHaveLength(256);
  });
});

describe('the query', () => {
  it('has repeated parameters as arrays, and no prototype', async () => {
    const query = parseQuery(await requests.receive('/ws?a=1&b=x+y&a=2&__proto__=p&a=3'));
    expect(Object.entries(query)).toEqual([
      ['a', ['1', '2', '3']],
      ['b', 'x y'],
      ['__proto__', 'p'],
    ]);
  });

  it('is bounded', async () => {
    const target = `/ws?${Array.from({ length: 400 }, (_, index) => `p${index}`).join('&')}`;
    expect(Object.keys(parseQuery(await requests.receive(target)))).toHaveLength(256);
  });
});

it('never throws on any header or query a client can send', async () => {
  const text = fc.string({
    unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
    maxLength: 60,
  });
  await fc.assert(
    fc.asyncProperty(text, text, text, async (authorization, cookie, query) => {
      const target = `/ws?${encodeURI(query).replaceAll('#', '')}`;
      const request = await requests.receive(target, [
        `Authorization: ${authorization}`,
        `Cookie: session=${cookie}`,
      ]);
      const outcome = findCredential(request, { cookieName });
      expect(outcome instanceof Refusal || outcome?.source === 'header').toBe(true);
      parseCookies(request);
      parseQuery(request);
    }),
    { numRuns: 200 },
  );
});

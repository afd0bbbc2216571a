import { afterAll, describe, expect, it } from 'vitest';
import { ReceivedRequests } from '../../../../test/support/received-request.js';
import { OriginPolicy, type OriginOptions } from './origin.js';

const requests = new ReceivedRequests();
afterAll(() => requests.close());

async function verdict(options: OriginOptions, ...lines: string[]): Promise<string> {
  const refusal = new OriginPolicy(options).check(await requests.receive('/ws', lines));
  return refusal ? `${refusal.status} ${refusal.reason}` : 'passes';
}

const NO = '403 origin_not_allowed';

describe('a list of origins', () => {
  const options = {
    allowed: [
      'https://app.example.com',
      'http://localhost:5173',
      'HTTPS://Upper.Example:443',
      'capacitor://localhost',
    ],
  };

  it.each([
    'https://app.example.com',
    'https://app.example.com:443',
    'HTTPS://APP.Example.com',
    'http://localhost:5173',
    'https://upper.example',
    'capacitor://localhost',
  ])('lets %s pass', async (origin) => {
    expect(await verdict(options, `Origin: ${origin}`)).toBe('passes');
  });

  it.each([
    ['another scheme', 'http://app.example.com'],
    ['another port', 'https://app.example.com:8443'],
    ['no port where one is listed', 'http://localhost'],
    ['a longer host', 'https://app.example.com.evil.com'],
    ['a host that ends alike', 'https://evilapp.example.com'],
    ['a subdomain', 'https://x.app.example.com'],
    ['the parent', 'https://example.com'],
    ['a trailing dot', 'https://app.example.com.'],
    ['user info', 'https://app.example.com@evil.com'],
    ['user info of ours', 'https://evil.com:x@app.example.com'],
    ['a path', 'https://app.example.com/'],
    ['a query', 'https://app.example.com?'],
    ['a fragment', 'https://app.example.com#'],
    ['a backslash', 'https://app.example.com\\.evil.com'],
    ['two origins', 'https://app.example.com https://evil.com'],
    ['two with a comma', 'https://app.example.com,https://evil.com'],
    ['null', 'null'],
    ['nothing', ''],
    ['a bare host', 'app.example.com'],
    ['a star', '*'],
    ['a homograph', 'https://аpp.example.com'],
    ['a file', 'file://'],
    ['the own host, which is not listed', 'http://aerie.test'],
  ])('refuses %s', async (_name, origin) => {
    expect(await verdict(options, `Origin: ${origin}`)).toBe(NO);
  });

  it('refuses an Origin that comes twice', async () => {
    expect(await verdict(options, 'Origin: https://app.example.com', 'Origin: https://app.example.com')).toBe(
      NO,
    );
  });

  it('refuses everyone when empty', async () => {
    expect(await verdict({ allowed: [] }, 'Origin: http://aerie.test')).toBe(NO);
  });

  it.each([
    '*',
    'https://*.example.com',
    'example.com',
    'https://example.com/path',
    'https://example.com/',
    'null',
    '',
    'https://u@example.com',
    'https://a.com, https://b.com',
  ])('does not accept %j as an entry, and names it', (entry) => {
    expect(() => new OriginPolicy({ allowed: ['https://ok.example', entry] })).toThrow(`"${entry}"`);
  });
});

describe('no list of origins', () => {
  it.each([
    ['the own host', 'Host: aerie.test:3000', 'http://aerie.test:3000'],
    ['the own host with its default port', 'Host: aerie.test:80', 'http://aerie.test'],
    ['the own host in other letters', 'Host: AERIE.test', 'http://aerie.test'],
    ['the own IPv6 address', 'Host: [::1]:3000', 'http://[::1]:3000'],
  ])('lets %s pass', async (_name, host, origin) => {
    expect(await verdict({}, host, `Origin: ${origin}`)).toBe('passes');
  });

  it.each([
    ['another host', 'Host: aerie.test', 'http://evil.test'],
    ['another port', 'Host: aerie.test:3000', 'http://aerie.test:3001'],
    ['another scheme', 'Host: aerie.test', 'https://aerie.test'],
    ['a host that is none', 'Host: aerie.test/x', 'http://aerie.test'],
    ['null', 'Host: null', 'null'],
  ])('refuses %s', async (_name, host, origin) => {
    expect(await verdict({}, host, `Origin: ${origin}`)).toBe(NO);
  });

  it('believes X-Forwarded-Proto from a trusted proxy only', async () => {
    const lines = ['Host: aerie.test', 'Origin: https://aerie.test', 'X-Forwarded-Proto: https'];
    expect(await verdict({ isProxied: () => true }, ...lines)).toBe('passes');
    expect(await verdict({ isProxied: () => false }, ...lines)).toBe(NO);
    expect(await verdict({}, ...lines)).toBe(NO);
  });

  it('knows its own scheme by the socket', async () => {
    const lines = ['Host: aerie.test', 'Origin: https://aerie.test'];
    const request = await requests.receive('/ws', lines);
    Object.defineProperty(request.socket, 'encrypted', { value: true });
    expect(new OriginPolicy().check(request)).toBeUndefined();
  });

  it('takes the outermost of several forwarded schemes', async () => {
    const lines = ['Host: aerie.test', 'Origin: https://aerie.test', 'X-Forwarded-Proto: https, http'];
    expect(await verdict({ isProxied: () => true }, ...lines)).toBe('passes');
  });
});

describe('a request without an Origin', () => {
  it('passes, unless one is required', async () => {
    expect(await verdict({ allowed: ['https://a.example'] })).toBe('passes');
    expect(await verdict({ require: true })).toBe('403 origin_missing');
    expect(await verdict({ require: true }, 'Origin: http://aerie.test')).toBe('passes');
  });
});

describe('CORS headers', () => {
  const policy = new OriginPolicy({ allowed: ['https://app.example.com'] });

  it('echo an allowed origin as it was sent, with credentials', async () => {
    expect(policy.corsHeaders(await requests.receive('/', ['Origin: https://app.example.com:443']))).toEqual({
      vary: 'Origin',
      'access-control-allow-origin': 'https://app.example.com:443',
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': 'ETag, Retry-After',
    });
  });

  it.each([['Origin: https://evil.com'], ['Origin: null'], ['X-None: 1']])(
    'are only Vary for %s',
    async (line) => {
      expect(policy.corsHeaders(await requests.receive('/', [line]))).toEqual({ vary: 'Origin' });
    },
  );
});

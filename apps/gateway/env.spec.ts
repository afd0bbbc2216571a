import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { EnvError, ENV_NAMES, readEnv } from './env.js';

const SECRET = 's'.repeat(32);
const PRODUCTION = { NODE_ENV: 'production', AUTH_JWT_SECRET: SECRET };

function faultsOf(source: Record<string, string>): Record<string, string[]> {
  const faults: Record<string, string[]> = {};
  try {
    readEnv(source);
  } catch (error) {
    if (!(error instanceof EnvError)) throw error;
    for (const { name, message } of error.faults) (faults[name] ??= []).push(message);
  }
  return faults;
}

describe('an empty environment', () => {
  it('is dev mode: a fresh secret, loopback, the open channel', () => {
    const env = readEnv({});
    expect(env).toMatchObject({
      dev: true,
      production: false,
      http: { port: 3000, host: '127.0.0.1', internalPort: 3001 },
    });
    expect(env.auth.jwtSecret).toHaveLength(43);
    expect(readEnv({}).auth.jwtSecret).not.toBe(env.auth.jwtSecret);
    expect(env.channels.map(({ pattern }) => pattern)).toEqual(['public:{name}']);
  });

  it('has the documented defaults', () => {
    expect(readEnv({})).toMatchObject({
      heartbeat: { intervalMs: 30_000, timeoutMs: 10_000 },
      limits: {
        maxConnections: 10_000,
        maxQuarantine: 1_000,
        maxFrameBytes: 65_536,
        messagesPerSecond: 100,
        messagesBurst: 200,
      },
      drain: { windowMs: 30_000, lameDuckMs: 0 },
      compression: false,
      auth: { firstMessage: true },
      origins: { required: false },
      logLevel: 'info',
    });
  });

  it('keeps dev mode off other addresses unless DEV=1 asks for it', () => {
    expect(faultsOf({ HOST: '0.0.0.0' })).toHaveProperty('HOST');
    expect(readEnv({ HOST: '0.0.0.0', DEV: '1' }).http.host).toBe('0.0.0.0');
    expect(readEnv({ HOST: '::1' }).dev).toBe(true);
  });

  it('treats empty and blank variables as unset', () => {
    expect(readEnv({ AUTH_JWT_SECRET: '', API_KEYS: ' ', REDIS_URL: '' }).dev).toBe(true);
  });
});

describe('the mode', () => {
  it.each(['AUTH_JWT_AUDIENCE', 'API_KEYS', 'CHANNELS'])(
    'is not dev once %s is set: a secret is then required',
    (name) => {
      expect(faultsOf({ [name]: name === 'CHANNELS' ? '{"channels":[]}' : 'something' })).toHaveProperty(
        'AUTH_JWT_SECRET',
      );
    },
  );

  it('listens on every address with a secret', () => {
    expect(readEnv({ AUTH_JWT_SECRET: 'short' })).toMatchObject({
      dev: false,
      http: { host: '0.0.0.0' },
      channels: [],
    });
  });

  it('is forced to dev by DEV=1, with the secret that is set', () => {
    expect(readEnv({ AUTH_JWT_SECRET: 'mine', DEV: 'true' })).toMatchObject({
      dev: true,
      auth: { jwtSecret: 'mine' },
    });
  });

  it('is forced off by DEV=0', () => {
    expect(faultsOf({ DEV: '0' })).toHaveProperty('AUTH_JWT_SECRET');
  });

  it('refuses DEV=1 in production', () => {
    expect(faultsOf({ ...PRODUCTION, DEV: '1' })).toHaveProperty('DEV');
  });
});

describe('production', () => {
  it('refuses to boot without a secret or a key set', () => {
    expect(faultsOf({ NODE_ENV: 'production' })).toHaveProperty('AUTH_JWT_SECRET');
    expect(
      readEnv({ NODE_ENV: 'production', AUTH_JWKS_URL: 'https://id.example.com/jwks' }).auth,
    ).not.toHaveProperty('jwtSecret');
  });

  it('refuses short secrets', () => {
    const short = {
      AUTH_JWT_SECRET: 'a'.repeat(31),
      HOOKS_URL: 'http://hooks',
      HOOKS_SECRET: 'b',
      API_KEYS: 'ops:admin:short',
    };
    expect(Object.keys(faultsOf({ ...PRODUCTION, ...short })).sort()).toEqual([
      'API_KEYS',
      'AUTH_JWT_SECRET',
      'HOOKS_SECRET',
    ]);
  });

  it('warns where publications stay on the node', () => {
    expect(readEnv(PRODUCTION).warnings).toHaveLength(1);
    expect(readEnv({ ...PRODUCTION, REDIS_URL: 'redis://redis' }).warnings).toEqual([]);
  });
});

describe('faults', () => {
  it('are listed all at once, by name, without any value', () => {
    const values = {
      PORT: 'port-value',
      AUTH_JWT_PREVIOUS_SECRET: 'previous-value',
      API_KEYS: 'bad:scope-value:key-value',
      REDIS_URL: 'http://password-value@redis',
      MAX_FRAME_BYTES: '12',
      CHANNELS: '{"channels": value}',
    };
    const attempt = () => readEnv(values);
    expect(attempt).toThrow(EnvError);
    expect(Object.keys(faultsOf(values)).sort()).toEqual([...Object.keys(values), 'AUTH_JWT_SECRET'].sort());
    expect(attempt).not.toThrow(/value[@"}]|-value/);
  });

  it.each([
    ['PORT', '65536'],
    ['PORT', '1e3'],
    ['HOST', 'http://localhost'],
    ['LOG_LEVEL', 'loud'],
    ['FIRST_MESSAGE_AUTH', 'constructor'],
    ['AUTH_JWKS_URL', 'file:///etc/passwd'],
    ['AUTH_JWKS_URL', 'https://me:pw@id.example.com/jwks'],
    ['AUTH_COOKIE_NAME', 'a b'],
    ['AUTH_JWT_AUDIENCE', ','],
    ['ALLOWED_ORIGINS', ','],
    ['ALLOWED_ORIGINS', '*'],
    ['ALLOWED_ORIGINS', 'null'],
    ['ALLOWED_ORIGINS', 'https://app.example.com/path'],
    ['TRUST_PROXY', 'true'],
    ['TRUST_PROXY', '10.0.0.0/33'],
    ['TRUST_PROXY', 'constructor'],
    ['REDIS_PREFIX', 'a{b}'],
    ['REDIS_URL', 'redis://'],
    ['HEARTBEAT_INTERVAL_MS', '0'],
    ['MAX_CONNECTIONS', '-1'],
    ['MAX_CONNECTIONS', '10.5'],
    ['MAX_RSS_BYTES', '512M'],
    ['COMPRESSION', 'gzip'],
  ])('name %s=%s', (name, value) => {
    expect(Object.keys(faultsOf({ ...PRODUCTION, [name]: value }))).toEqual([name]);
  });

  it.each([
    ['NATS_URL', 'nats://nats'],
    ['DATABASE_URL', 'postgres://db'],
    ['KAFKA_BROKERS', 'kafka:9092'],
    ['WORKERS', '2'],
  ])('say that %s is not supported by this version', (name, value) => {
    expect(faultsOf({ ...PRODUCTION, [name]: value })[name]).toEqual([
      expect.stringContaining('not supported by this version'),
    ]);
  });

  it.each([
    [{ AUTH_JWT_PREVIOUS_SECRET: SECRET }, 'AUTH_JWT_PREVIOUS_SECRET'],
    [{ REQUIRE_SHARED_BACKPLANE: 'true' }, 'REQUIRE_SHARED_BACKPLANE'],
    [{ HOOKS_URL: 'https://hooks' }, 'HOOKS_SECRET'],
    [{ HOOKS_SECRET: SECRET }, 'HOOKS_URL'],
    [{ HOOKS_EVENTS: 'online' }, 'HOOKS_URL'],
    [{ HOOKS_URL: 'https://hooks', HOOKS_SECRET: SECRET, HOOKS_EVENTS: 'online,bogus' }, 'HOOKS_EVENTS'],
    [{ PORT: '4000', INTERNAL_PORT: '4000' }, 'INTERNAL_PORT'],
    [{ PORT: '65535' }, 'INTERNAL_PORT'],
    [{ ADMIN_PORT: '3001' }, 'ADMIN_PORT'],
    [{ GRPC_PORT: '3000' }, 'GRPC_PORT'],
    [{ ADMIN_PORT: '9001', GRPC_PORT: '9001' }, 'GRPC_PORT'],
  ])('name what %j lacks or contradicts', (variables, name) => {
    const source = { NODE_ENV: 'production', AUTH_JWKS_URL: 'https://id.example.com/jwks', ...variables };
    expect(Object.keys(faultsOf(source))).toEqual([name]);
  });
});

describe('ports', () => {
  it('are any free ones where PORT is 0', () => {
    expect(readEnv({ PORT: '0' }).http).toMatchObject({ port: 0, internalPort: 0 });
  });

  it('put the internal one after PORT unless it is set', () => {
    expect(readEnv({ PORT: '8080' }).http.internalPort).toBe(8081);
    expect(
      readEnv({ PORT: '8080', INTERNAL_PORT: '9000', ADMIN_PORT: '9001', GRPC_PORT: '9002' }).http,
    ).toMatchObject({
      internalPort: 9000,
      adminPort: 9001,
    });
  });
});

const keysOf = (value: string) => readEnv({ AUTH_JWT_SECRET: 'x', API_KEYS: value }).apiKeys;

describe('API_KEYS', () => {
  it('reads named keys with scopes, and colons in a secret', () => {
    expect(keysOf('orders:publish:one:two, panel:read:three')).toEqual([
      { name: 'orders', scope: 'publish', secret: 'one:two' },
      { name: 'panel', scope: 'read', secret: 'three' },
    ]);
  });

  it('takes a bare secret for the admin key', () => {
    expect(keysOf('just-a-secret')).toEqual([{ name: 'default', scope: 'admin', secret: 'just-a-secret' }]);
  });

  it.each([
    'one,two',
    'a:read:x,a:admin:y',
    'a:read:x,b:read:x',
    'a:owner:x',
    'a:b',
    'a:read:',
    ',',
    'a:read:häh',
  ])('refuses %s', (value) => {
    expect(faultsOf({ AUTH_JWT_SECRET: 'x', API_KEYS: value })).toHaveProperty('API_KEYS');
  });
});

describe('lists', () => {
  it('reads origins as a browser sends them', () => {
    const { origins } = readEnv({
      ALLOWED_ORIGINS: 'https://App.example.com:443/, http://localhost:5173,capacitor://localhost',
    });
    expect(origins.allowed).toEqual([
      'https://app.example.com',
      'http://localhost:5173',
      'capacitor://localhost',
    ]);
  });

  it('reads audiences, of which a token must name one', () => {
    expect(readEnv({ AUTH_JWT_SECRET: 'x', AUTH_JWT_AUDIENCE: 'web, app' }).auth.audience).toEqual([
      'web',
      'app',
    ]);
  });

  it('reads proxies into CIDRs', () => {
    expect(readEnv({ TRUST_PROXY: 'loopback, 10.1.0.0/16,192.0.2.7,2001:db8::1' }).http.trustProxy).toEqual([
      '127.0.0.0/8',
      '::1/128',
      '10.1.0.0/16',
      '192.0.2.7/32',
      '2001:db8::1/128',
    ]);
  });
});

describe('REDIS_URL', () => {
  it.each([
    'redis://:pw@redis:6379/1',
    'rediss://redis',
    'redis+sentinel://a:26379,b:26379/main',
    'redis+cluster://a:1,b:2',
  ])('accepts %s, with the default prefix', (url) => {
    expect(readEnv({ REDIS_URL: url }).redis).toEqual({ url, prefix: 'aerie:' });
  });
});

describe('CHANNELS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'aerie-env-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const base = { AUTH_JWT_SECRET: 'x' };

  it('is read from a file', () => {
    const path = join(folder, 'channels.json');
    writeFileSync(path, '{"channels":[{"pattern":"room:{id}","subscribe":"authenticated"}]}');
    expect(readEnv({ ...base, CHANNELS: path }).channels).toEqual([
      {
        pattern: 'room:{id}',
        subscribe: 'authenticated',
        publish: 'nobody',
        presence: false,
        slow: 'disconnect',
      },
    ]);
  });

  it('names a file that is not there', () => {
    expect(faultsOf({ ...base, CHANNELS: join(folder, 'absent.json') })['CHANNELS']).toHaveLength(1);
  });

  it('names each faulty field by its path', () => {
    const channels = [{ pattern: 'a:{b}', subscribe: 'anyone' }, { pattern: 'user:{id}' }];
    expect(faultsOf({ ...base, CHANNELS: JSON.stringify({ channels }) })['CHANNELS']).toEqual([
      expect.stringMatching(/^channels\[0\]\.subscribe: /),
      expect.stringMatching(/^channels\[1\]\.pattern: /),
    ]);
  });

  it('needs HOOKS_URL to ask a hook', () => {
    const CHANNELS = '{"channels":[{"pattern":"room:{id}","publish":"hook"}]}';
    expect(faultsOf({ ...base, CHANNELS })['CHANNELS']).toEqual([
      'channels[0].publish: "hook" needs HOOKS_URL',
    ]);
    expect(readEnv({ ...base, CHANNELS, HOOKS_URL: 'http://hooks', HOOKS_SECRET: 'y' }).hooks).toEqual({
      url: 'http://hooks',
      secret: 'y',
      told: [],
    });
  });

  it('reads which events the hooks are told', () => {
    const hooks = { HOOKS_URL: 'http://hooks', HOOKS_SECRET: 'y', HOOKS_EVENTS: 'offline, online' };
    expect(readEnv({ ...base, ...hooks }).hooks?.told).toEqual(['online', 'offline']);
  });

  it('warns of nothing where channels have presence and a history', () => {
    const CHANNELS = '{"channels":[{"pattern":"a","presence":true,"history":{"size":5,"ttlMs":1000}}]}';
    expect(readEnv({ ...base, CHANNELS }).warnings).toEqual([]);
  });
});

it('reads no variable twice by another name', () => {
  expect(new Set(ENV_NAMES).size).toBe(ENV_NAMES.length);
});

import type { RedisOptions } from 'ioredis';

const SHAPE = /^([a-z+]+):\/\/(?:([^@/]*)@)?([^/?#]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const HOST = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/;
const DEFAULT_PORT = 6379;
const DEFAULT_SENTINEL_PORT = 26379;

interface Parts {
  readonly auth: Pick<RedisOptions, 'username' | 'password'>;
  readonly hosts: string;
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

/** Where a Redis is, and how to speak to it. */
export interface RedisTarget {
  readonly options: RedisOptions;
  /** Of a cluster: some of its nodes, which tell of the others. */
  readonly nodes?: readonly RedisAddress[];
}

/**
 * What a URL says:
 * `redis://[user:password@]host[:port][/db]`, `rediss:` the same over TLS,
 * `redis+sentinel://[user:password@]sentinel[:port],…/primary[/db][?sentinelPassword=…]`, and
 * `redis+cluster://[user:password@]node[:port],…`.
 * @throws Error that names the fault and never quotes the URL, which may hold a password.
 */
export function targetOfUrl(url: string): RedisTarget {
  const [, scheme = '', auth = '', hosts = '', path = '', query = ''] = SHAPE.exec(url) ?? [];
  const parts = { auth: authOf(auth), hosts, path: path.split('/'), query: new URLSearchParams(query) };
  switch (scheme) {
    case 'redis':
      return { options: single(parts) };
    case 'rediss':
      return { options: { ...single(parts), tls: {} } };
    case 'redis+sentinel':
      return { options: sentinel(parts) };
    case 'redis+cluster':
      return cluster(parts);
    default:
      throw new Error(
        'The Redis URL must start with redis://, rediss://, redis+sentinel:// or redis+cluster:// and name a host',
      );
  }
}

function single({ auth, hosts, path }: Parts): RedisOptions {
  return { ...auth, ...addressOf(hosts, DEFAULT_PORT), db: databaseOf(path[0]) };
}

function sentinel({ auth, hosts, path, query }: Parts): RedisOptions {
  const [name = '', db] = path;
  if (name === '')
    throw new Error('The Redis URL must name the primary: redis+sentinel://sentinel:26379/primary');
  const sentinels = addressesOf(hosts, DEFAULT_SENTINEL_PORT);
  const sentinelPassword = query.get('sentinelPassword');
  return {
    ...auth,
    sentinels,
    name,
    db: databaseOf(db),
    ...(sentinelPassword !== null && { sentinelPassword }),
  };
}

function cluster({ auth, hosts, path }: Parts): RedisTarget {
  if (databaseOf(path[0]) !== 0)
    throw new Error('The Redis URL of a cluster has a database: there is only 0');
  return { options: auth, nodes: addressesOf(hosts, DEFAULT_PORT) };
}

function authOf(text: string): Parts['auth'] {
  const [username = '', ...password] = text.split(':');
  return {
    ...(username !== '' && { username: decoded(username) }),
    ...(password.length > 0 && { password: decoded(password.join(':')) }),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error('The Redis URL has a user or password with a stray %: percent-encode it');
  }
}

function addressesOf(hosts: string, defaultPort: number): RedisAddress[] {
  return hosts.split(',').map((host) => addressOf(host, defaultPort));
}

function addressOf(text: string, defaultPort: number): RedisAddress {
  const [, host, port] = HOST.exec(text) ?? [];
  if (host === undefined) throw new Error('The Redis URL has a host that is none');
  return { host: host.replaceAll(/[[\]]/g, ''), port: port === undefined ? defaultPort : Number(port) };
}

function databaseOf(text = ''): number {
  if (!/^\d{0,5}$/.test(text))
    throw new Error('The Redis URL must end in the number of a database, or nothing');
  return Number(text);
}

import { Module, type DynamicModule, type FactoryProvider, type ModuleMetadata } from '@nestjs/common';
import { DriverConnections, driverToken } from '../driver-token.js';
import { FailureCounter } from '../handshake/failure-counter.js';
import { TicketStore } from '../handshake/ticket-store.js';
import { History } from '../history/history.js';
import { PresenceStore } from '../presence/presence-store.js';
import { Backplane } from '../publishing/backplane.js';
import { NodeDirectory } from '../sessions/node-directory.js';
import { RevocationLog } from '../sessions/revocations.js';
import { SessionRegistry } from '../sessions/session-registry.js';
import { RedisBackplane } from './redis-backplane.js';
import type { RedisClient, RedisSource } from './redis-client.js';
import { RedisFailureCounter } from './redis-failure-counter.js';
import { RedisHistory } from './redis-history.js';
import { RedisNodeDirectory } from './redis-node-directory.js';
import { RedisPresenceStore } from './redis-presence-store.js';
import { RedisRevocationLog } from './redis-revocation-log.js';
import { RedisSessionRegistry } from './redis-session-registry.js';
import { RedisStoreConnection } from './redis-store-connection.js';
import { RedisTicketStore } from './redis-ticket-store.js';

/** Either `url` or `client`. */
export type RealtimeRedisOptions = ({ readonly url: string } | { readonly client: RedisClient }) & {
  /** Of every key and Pub/Sub channel. Default `aerie:`. */
  readonly prefix?: string;
  /** After it the outcome of a command is unknown. Default 2000. */
  readonly commandTimeoutMs?: number;
  /** The longest life of a token, for which revocations are kept. Default 30 days. */
  readonly maxTokenLifeMs?: number;
};

export interface RealtimeRedisAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  readonly inject?: FactoryProvider['inject'];
  readonly useFactory: (...dependencies: never[]) => RealtimeRedisOptions | Promise<RealtimeRedisOptions>;
}

const OPTIONS = Symbol('RealtimeRedisOptions');
const DEFAULT_PREFIX = 'aerie:';

/**
 * Puts every port that has a Redis driver on Redis. With `url` it opens its own connections; with `client` it duplicates
 * the application's, and leaves that one open.
 */
@Module({})
export class RealtimeRedisModule {
  static forRoot(options: RealtimeRedisOptions): DynamicModule {
    return RealtimeRedisModule.forRootAsync({ useFactory: () => options });
  }

  static forRootAsync({ imports = [], inject = [], useFactory }: RealtimeRedisAsyncOptions): DynamicModule {
    const options = { provide: OPTIONS, inject, useFactory };
    return {
      module: RealtimeRedisModule,
      global: true,
      imports,
      providers: [options, STORE_CONNECTION, ...DRIVERS],
      exports: DRIVERS.map(({ provide }) => provide),
    };
  }
}

const STORE_CONNECTION = {
  provide: RedisStoreConnection,
  inject: [OPTIONS],
  useFactory: async (options: RealtimeRedisOptions): Promise<RedisStoreConnection> => {
    const connection = new RedisStoreConnection(sourceOf(options), options.commandTimeoutMs);
    await connection.open();
    return connection;
  },
};

type Store = (client: RedisClient, options: RealtimeRedisOptions & { readonly prefix: string }) => unknown;

const DRIVERS = [
  {
    provide: driverToken(Backplane),
    inject: [OPTIONS],
    useFactory: (options: RealtimeRedisOptions) =>
      new RedisBackplane({ ...options, source: sourceOf(options) }),
  },
  {
    provide: driverToken(History),
    inject: [OPTIONS],
    useFactory: (options: RealtimeRedisOptions) =>
      new RedisHistory({ ...options, source: sourceOf(options) }),
  },
  { provide: driverToken(DriverConnections), useExisting: RedisStoreConnection },
  onStoreConnection(driverToken(TicketStore), (client, { prefix }) => new RedisTicketStore(client, prefix)),
  onStoreConnection(
    driverToken(FailureCounter),
    (client, { prefix }) => new RedisFailureCounter(client, prefix),
  ),
  onStoreConnection(
    driverToken(NodeDirectory),
    (client, { prefix }) => new RedisNodeDirectory(client, prefix),
  ),
  onStoreConnection(driverToken(RevocationLog), (client, options) => new RedisRevocationLog(client, options)),
  onStoreConnection(
    driverToken(SessionRegistry),
    (client, { prefix }) => new RedisSessionRegistry(client, { prefix }),
  ),
  onStoreConnection(
    driverToken(PresenceStore),
    (client, { prefix }) => new RedisPresenceStore(client, prefix),
  ),
];

function onStoreConnection(token: symbol, open: Store): FactoryProvider {
  return {
    provide: token,
    inject: [OPTIONS, RedisStoreConnection],
    useFactory: (options: RealtimeRedisOptions, { client }: RedisStoreConnection) =>
      open(client, { ...options, prefix: options.prefix ?? DEFAULT_PREFIX }),
  };
}

function sourceOf(options: RealtimeRedisOptions): RedisSource {
  return 'client' in options ? { client: options.client } : { url: options.url };
}

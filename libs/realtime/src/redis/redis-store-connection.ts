import { DriverConnections } from '../driver-token.js';
import { presenceScripts } from './presence-scripts.js';
import type { RedisClient, RedisSource } from './redis-client.js';
import { RedisConnection } from './redis-connection.js';
import { SESSION_SCRIPTS } from './session-scripts.js';

/** The connection that tickets, failure counts, revocations, the node directory, sessions and presence share. */
export class RedisStoreConnection extends DriverConnections {
  readonly #connection: RedisConnection;

  constructor(source: RedisSource, commandTimeoutMs?: number) {
    super();
    this.#connection = new RedisConnection(source, {
      role: 'stores',
      scripts: { ...SESSION_SCRIPTS, ...presenceScripts(source) },
      ...(commandTimeoutMs !== undefined && { commandTimeoutMs }),
    });
  }

  get client(): RedisClient {
    return this.#connection.client;
  }

  /** Resolves even if Redis is away: it goes on trying. */
  open(): Promise<void> {
    return this.#connection.open();
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}

import { Logger } from '@nestjs/common';
import type { Connection, ConnectionEnd } from './connection.js';
import { type Members, SmallSet } from './small-set.js';

type Added = (connection: Connection) => void;
type Joined = (connection: Connection, channel: string) => void;
/** `end`: it left because it ended. */
type Left = (connection: Connection, channel: string, end: ConnectionEnd | undefined) => void;
type Removed = (connection: Connection, end: ConnectionEnd) => void;

const NONE: Members<Connection> = new SmallSet();

/**
 * The connections of this node: by id, by user and by channel, O(1) each way. Nobody is in it who did not pass
 * authentication and the guards, and there is one way out for every kind of end: `remove`.
 */
export class ConnectionRegistry {
  readonly #connections = new Map<string, Connection>();
  readonly #byUser = new Map<string, SmallSet<Connection>>();
  readonly #byChannel = new Map<string, SmallSet<Connection>>();
  readonly #added = new Set<Added>();
  readonly #removed = new Set<Removed>();
  readonly #joined = new Set<Joined>();
  readonly #left = new Set<Left>();
  readonly #logger = new Logger('AerieConnections');
  #subscriptions = 0;

  get size(): number {
    return this.#connections.size;
  }

  get users(): number {
    return this.#byUser.size;
  }

  get channels(): number {
    return this.#byChannel.size;
  }

  get subscriptions(): number {
    return this.#subscriptions;
  }

  all(): IterableIterator<Connection> {
    return this.#connections.values();
  }

  get(id: string): Connection | undefined {
    return this.#connections.get(id);
  }

  has(connection: Connection): boolean {
    return this.#connections.get(connection.id) === connection;
  }

  ofUser(user: string): Members<Connection> {
    return this.#byUser.get(user) ?? NONE;
  }

  inChannel(channel: string): Members<Connection> {
    return this.#byChannel.get(channel) ?? NONE;
  }

  /** Calls `listener` after each addition; the returned function stops that. */
  onAdded(listener: Added): () => void {
    this.#added.add(listener);
    return () => this.#added.delete(listener);
  }

  /** Calls `listener` after each removal, whatever ended the connection; the returned function stops that. */
  onRemoved(listener: Removed): () => void {
    this.#removed.add(listener);
    return () => this.#removed.delete(listener);
  }

  /** Calls `listener` each time a connection becomes a member of a channel; the returned function stops that. */
  onJoined(listener: Joined): () => void {
    this.#joined.add(listener);
    return () => this.#joined.delete(listener);
  }

  /** Calls `listener` each time a connection stops being a member of a channel; the returned function stops that. */
  onLeft(listener: Left): () => void {
    this.#left.add(listener);
    return () => this.#left.delete(listener);
  }

  add(connection: Connection): void {
    if (this.#connections.has(connection.id))
      throw new Error(`connection ${connection.id} is already registered`);
    this.#connections.set(connection.id, connection);
    put(this.#byUser, connection.session.user, connection);
    this.#tell(this.#added, (listener) => listener(connection));
  }

  /** False if it was not there: a second end of the same connection changes nothing. */
  remove(connection: Connection, end: ConnectionEnd): boolean {
    if (!this.has(connection)) return false;
    this.#connections.delete(connection.id);
    take(this.#byUser, connection.session.user, connection);
    for (const channel of connection.channels) this.leave(connection, channel, end);
    this.#tell(this.#removed, (listener) => listener(connection, end));
    return true;
  }

  /** Makes a registered connection a member of a channel; false if it is none or already was. */
  join(connection: Connection, channel: string): boolean {
    if (!this.has(connection) || connection.channels.has(channel)) return false;
    (connection.channels as SmallSet<string>).add(channel);
    put(this.#byChannel, channel, connection);
    this.#subscriptions += 1;
    this.#tell(this.#joined, (listener) => listener(connection, channel));
    return true;
  }

  leave(connection: Connection, channel: string, end?: ConnectionEnd): boolean {
    if (!(connection.channels as SmallSet<string>).delete(channel)) return false;
    take(this.#byChannel, channel, connection);
    this.#subscriptions -= 1;
    this.#tell(this.#left, (listener) => listener(connection, channel, end));
    return true;
  }

  // We are called from socket events, where a throw would end the process and keep the news from everybody else.
  #tell<Listener>(listeners: ReadonlySet<Listener>, call: (listener: Listener) => void): void {
    for (const listener of listeners) {
      try {
        call(listener);
      } catch (error) {
        this.#logger.error('a listener failed', error instanceof Error ? error.stack : undefined);
      }
    }
  }
}

function put(index: Map<string, SmallSet<Connection>>, key: string, connection: Connection): void {
  const known = index.get(key);
  const set = known ?? new SmallSet();
  set.add(connection);
  if (known === undefined) index.set(key, set);
}

function take(index: Map<string, SmallSet<Connection>>, key: string, connection: Connection): void {
  const set = index.get(key);
  set?.delete(connection);
  if (set?.size === 0) index.delete(key);
}

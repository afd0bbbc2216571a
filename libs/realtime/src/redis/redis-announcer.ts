import type { Announcement } from '../publishing/backplane.js';
import { encodeEnvelope } from '../publishing/envelope.js';
import { luaOf, publishOf } from './lua-source.js';
import { PendingBytes } from './pending-bytes.js';
import type { RedisClient, RedisSource } from './redis-client.js';
import { RedisConnection } from './redis-connection.js';
import { unavailable } from './redis-fault.js';
import type { RedisKeys } from './redis-keys.js';

interface AnnouncerOptions {
  readonly keys: RedisKeys;
  readonly commandTimeoutMs: number;
  /** Called after each connect. */
  readonly onReady: () => void;
}

interface AnnounceScript {
  announceOnce(once: string, live: string, envelope: Buffer, keyLifeMs: number): Promise<number>;
}

/** The sending half of the backplane: one connection, one script. */
export class RedisAnnouncer {
  readonly #connection: RedisConnection;
  readonly #keys: RedisKeys;
  readonly #pending = new PendingBytes();

  constructor(source: RedisSource, { keys, commandTimeoutMs, onReady }: AnnouncerOptions) {
    this.#keys = keys;
    const scripts = { announceOnce: { lua: publishOf(source) + luaOf('announce'), numberOfKeys: 2 } };
    this.#connection = new RedisConnection(source, { role: 'commands', commandTimeoutMs, scripts, onReady });
  }

  get client(): RedisClient {
    return this.#connection.client;
  }

  open(): Promise<void> {
    return this.#connection.open();
  }

  /** False where the key was known in the channel: nothing was announced then. Rejects with `BackplaneUnavailable`. */
  async announce({ channel, frame, idempotencyKey }: Announcement, keyLifeMs: number): Promise<boolean> {
    const client = this.#connection.client as RedisClient & AnnounceScript;
    const envelope = encodeEnvelope({ frame });
    const once = this.#keys.once(channel, idempotencyKey);
    const send = (): Promise<number> =>
      client.announceOnce(once, this.#keys.live(channel), envelope, keyLifeMs);
    try {
      return (await this.#pending.add(envelope.byteLength, send)) === 1;
    } catch (error) {
      throw unavailable(error);
    }
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}

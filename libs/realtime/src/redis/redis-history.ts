import { Logger } from '@nestjs/common';
import type { Position } from '@aerie/protocol';
import {
  type Append,
  History,
  type HistoryChannel,
  type HistoryPage,
  type HistoryRange,
} from '../history/history.js';
import type { Announced } from '../publishing/backplane.js';
import { randomId } from '../random-id.js';
import { luaOf, publishOf } from './lua-source.js';
import { PendingBytes } from './pending-bytes.js';
import { primariesOf, type RedisClient, type RedisSource, type Scripts } from './redis-client.js';
import { RedisConnection } from './redis-connection.js';
import { orUnavailable } from './redis-fault.js';
import { RedisKeys } from './redis-keys.js';

export interface RedisHistoryOptions {
  readonly source: RedisSource;
  /** Of every key and Pub/Sub channel; the backplane's own. Default `aerie:`. */
  readonly prefix?: string;
  /** After it the outcome of a command is unknown. Default 2000. */
  readonly commandTimeoutMs?: number;
}

type Argument = string | number | Buffer;

interface HistoryScripts {
  historyAppend(...args: Argument[]): Promise<[duplicate: 0 | 1, epoch?: string, offset?: number]>;
  historyReadBuffer(
    ...args: Argument[]
  ): Promise<[epoch: Buffer, last: number, entries: (number | Buffer)[]]>;
  historyPosition(...args: Argument[]): Promise<[epoch: string, last: number]>;
}

const IDEMPOTENCY_MS = 300_000;
const EPOCH_BYTES = 9;
/**
 * A stream per channel, in the channel's slot. An epoch is bound to the id of Redis' replication: after a restart, a failover
 * or a flush every history begins anew, as the newest entries may be lost. Redis must not evict (`noeviction`).
 */
export class RedisHistory extends History {
  readonly #connection: RedisConnection;
  readonly #keys: RedisKeys;
  readonly #pending = new PendingBytes();
  readonly #logger = new Logger('AerieRedis');
  /** What was found on the last connect: why this Redis can't be trusted. */
  #fault: string | undefined;

  constructor({ source, prefix, commandTimeoutMs }: RedisHistoryOptions) {
    super();
    this.#keys = new RedisKeys(prefix);
    this.#connection = new RedisConnection(source, {
      role: 'history',
      scripts: scriptsFor(source),
      onReady: () => this.#checkEviction(),
      ...(commandTimeoutMs !== undefined && { commandTimeoutMs }),
    });
  }

  /** With Redis away it starts all the same, and what it finds later is logged. */
  async start(): Promise<void> {
    await this.#connection.open();
    if (this.#fault !== undefined) throw new Error(this.#fault);
  }

  async append({ channel, limits, frame, idempotencyKey }: Append): Promise<Announced> {
    const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
    const [duplicate, epoch, offset] = await orUnavailable(() =>
      this.#pending.add(bytes.byteLength, () =>
        this.#scripts.historyAppend(
          ...this.#keysOf(channel),
          this.#keys.once(channel, idempotencyKey),
          this.#keys.live(channel),
          newEpoch(),
          limits.ttlMs,
          limits.size,
          bytes,
          IDEMPOTENCY_MS,
        ),
      ),
    );
    const position = epoch !== undefined && offset !== undefined && { epoch, offset };
    return { duplicate: duplicate === 1, ...position };
  }

  async read({ channel, limits, after, through, limit, maxBytes }: HistoryRange): Promise<HistoryPage> {
    const [epoch, offset, entries] = await orUnavailable(() =>
      this.#scripts.historyReadBuffer(
        ...this.#keysOf(channel),
        newEpoch(),
        limits.ttlMs,
        after,
        through ?? '+',
        limit,
        maxBytes,
      ),
    );
    return { epoch: epoch.toString('latin1'), offset, entries: entriesOf(entries) };
  }

  async position({ channel, limits }: HistoryChannel): Promise<Position> {
    const [epoch, offset] = await orUnavailable(() =>
      this.#scripts.historyPosition(...this.#keysOf(channel), newEpoch(), limits.ttlMs),
    );
    return { epoch, offset };
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  get #scripts(): HistoryScripts {
    return this.#connection.client as RedisClient & HistoryScripts;
  }

  #keysOf(channel: string): [stream: string, meta: string] {
    return [this.#keys.history(channel), this.#keys.historyMeta(channel)];
  }

  // By INFO: CONFIG is forbidden on many a hosted Redis.
  async #checkEviction(): Promise<void> {
    const primaries = primariesOf(this.#connection.client);
    const memories = await Promise.all(primaries.map((redis) => redis.info('memory').catch(() => '')));
    const policy = memories.map(evictionOf).find((each) => each !== 'noeviction');
    this.#fault =
      policy === undefined
        ? undefined
        : `Redis may evict histories (maxmemory-policy ${policy}): it must be noeviction`;
    if (this.#fault !== undefined) this.#logger.error(this.#fault);
  }
}

function scriptsFor(source: RedisSource): Scripts {
  const prologue = luaOf('history');
  return {
    historyAppend: { lua: publishOf(source) + prologue + luaOf('history-append'), numberOfKeys: 4 },
    historyRead: { lua: prologue + luaOf('history-read'), numberOfKeys: 2 },
    historyPosition: { lua: prologue + luaOf('history-position'), numberOfKeys: 2 },
  };
}

function evictionOf(memory: string): string {
  const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1] ?? 'noeviction';
  return /^maxmemory:[1-9]/m.test(memory) ? policy : 'noeviction';
}

function newEpoch(): string {
  return randomId(EPOCH_BYTES);
}

function entriesOf(flat: readonly (number | Buffer)[]): HistoryPage['entries'] {
  return Array.from({ length: flat.length / 2 }, (_, index) => ({
    offset: Number(flat[2 * index]),
    frame: flat[2 * index + 1] as Buffer,
  }));
}

import { Logger } from '@nestjs/common';
import type { RedisOptions } from 'ioredis';
import { ClusterUpkeep } from './cluster-upkeep.js';
import { createClient, isCluster, type RedisClient, type RedisSource, type Scripts } from './redis-client.js';
import { faultOf } from './redis-fault.js';

export interface RedisConnectionOptions {
  /** What it is for: in the log, and in Redis' `CLIENT LIST` as `aerie-<role>`. */
  readonly role: string;
  /** After it a command's outcome is unknown. Default 2000. */
  readonly commandTimeoutMs?: number;
  readonly scripts?: Scripts;
  /** Called after each connect, before `open()` resolves. */
  readonly onReady?: () => Promise<void> | void;
  /** Called when an established connection was lost. */
  readonly onLost?: () => void;
}

export const DEFAULT_COMMAND_TIMEOUT_MS = 2_000;
const MIN_BACK_OFF_MS = 100;
const MAX_BACK_OFF_MS = 2_000;
/** A connection that lived shorter than this did not work: back-off goes on growing. */
const STABLE_AFTER_MS = 5_000;

/**
 * One connection, or one to each master of a cluster, that never keeps a caller waiting: a command fails at once while Redis is away, and within the command
 * timeout when it is silent. It reconnects for ever, with jittered back-off of 100 ms to 2 s.
 */
export class RedisConnection {
  readonly client: RedisClient;
  readonly #upkeep: ClusterUpkeep | undefined;
  readonly #options: RedisConnectionOptions;
  readonly #commandTimeoutMs: number;
  readonly #logger = new Logger('AerieRedis');
  #attempts = 0;
  #readyAt: number | undefined;
  #away = false;
  #closed = false;
  #endTimer: NodeJS.Timeout | undefined;
  #opened: (() => void) | undefined;

  constructor(source: RedisSource, options: RedisConnectionOptions) {
    this.#options = options;
    this.#commandTimeoutMs = options.commandTimeoutMs ?? DEFAULT_COMMAND_TIMEOUT_MS;
    this.client = createClient(source, this.#clientOptions());
    this.#upkeep = isCluster(this.client) ? new ClusterUpkeep(this.client) : undefined;
    this.client.on('ready', () => void this.#onReady());
    this.client.on('close', () => this.#onClose());
    this.client.on('error', (error) => this.#onFault(error));
    this.client.on('end', () => this.#onEnd());
  }

  get isReady(): boolean {
    return this.client.status === 'ready';
  }

  /** Connects. Resolves when that worked, or after the command timeout: it then goes on trying. */
  async open(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#commandTimeoutMs);
      this.#opened = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#connect();
    });
    this.#opened = undefined;
  }

  /** Gives the present connection up for a new one. */
  reconnect(): void {
    if (this.isReady) this.client.disconnect(true);
  }

  /** Lets commands that are under way end, within the command timeout, and disconnects. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#upkeep?.stop();
    clearTimeout(this.#endTimer);
    this.#opened?.();
    if (this.isReady) await this.client.quit().catch(() => undefined);
    if (this.client.status !== 'end') this.client.disconnect();
  }

  // A duplicated client may have any options of its application: whatever changes behaviour is set here.
  #clientOptions(): RedisOptions & { replyMapping: 'legacy'; scripts?: Scripts } {
    const timeout = this.#commandTimeoutMs;
    return {
      connectionName: `aerie-${this.#options.role}`,
      lazyConnect: true,
      keyPrefix: '',
      stringNumbers: false,
      replyMapping: 'legacy',
      readOnly: false,
      monitor: false,
      enableReadyCheck: true,
      maxLoadingRetryTime: MAX_BACK_OFF_MS,
      enableOfflineQueue: false,
      // A pipeline waits for the one before it, which would let a command wait for several timeouts.
      enableAutoPipelining: false,
      // Resubscription is ours: ioredis' own leaves its failure unhandled and tells nobody of its end.
      autoResubscribe: false,
      // A resent script runs twice. With 0 retries commands fail when the connection does, not a timeout later.
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      commandTimeout: timeout,
      // A half-open connection answers nothing: two timeouts of silence under a waiting command end it.
      socketTimeout: 2 * timeout,
      connectTimeout: timeout,
      disconnectTimeout: 500,
      sentinelCommandTimeout: timeout,
      retryStrategy: () => this.#backOffMs(),
      sentinelRetryStrategy: () => this.#backOffMs(),
      // What was a primary no longer is: connect anew, by DNS or sentinel.
      reconnectOnError: (error) => error.message.startsWith('READONLY'),
      ...(this.#options.scripts !== undefined && { scripts: this.#options.scripts }),
    };
  }

  #backOffMs(): number {
    const ceiling = Math.min(MAX_BACK_OFF_MS, MIN_BACK_OFF_MS * 2 ** this.#attempts);
    this.#attempts = Math.min(this.#attempts + 1, 10);
    return Math.round(MIN_BACK_OFF_MS + Math.random() * (ceiling - MIN_BACK_OFF_MS));
  }

  #connect(): void {
    // Each failure is told by 'error' as well, and retried.
    this.client.connect().catch(() => undefined);
  }

  async #onReady(): Promise<void> {
    this.#readyAt = performance.now();
    if (this.#away) this.#logger.log(`Redis is back (${this.#options.role})`);
    this.#away = false;
    await this.#upkeep?.connect();
    await this.#options.onReady?.();
    this.#opened?.();
  }

  #onClose(): void {
    if (this.#readyAt === undefined) return;
    if (performance.now() - this.#readyAt > STABLE_AFTER_MS) this.#attempts = 0;
    this.#readyAt = undefined;
    this.#options.onLost?.();
    this.#onFault(undefined);
  }

  #onFault(error: unknown): void {
    if (this.#away || this.#closed) return;
    this.#away = true;
    const fault = error === undefined ? 'connection lost' : faultOf(error);
    this.#logger.warn(`Redis is away (${this.#options.role}): ${fault}; trying again until it is back`);
  }

  // ioredis gives up where a connector fails, such as all sentinels refusing: nothing here may stay down.
  #onEnd(): void {
    if (this.#closed) return;
    this.#endTimer = setTimeout(() => this.#connect(), this.#backOffMs());
    this.#endTimer.unref();
  }
}

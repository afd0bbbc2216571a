import { Logger } from '@nestjs/common';
import type { Session } from '../connections/session.js';
import {
  DEFAULT_MAX_TOKEN_LIFE_MS,
  RevocationIndex,
  type RevocationIndexOptions,
} from '../sessions/revocation-index.js';
import { RevocationLog, type Revocation } from '../sessions/revocations.js';
import { onEachConnection, type RedisClient } from './redis-client.js';
import { faultOf, unavailable } from './redis-fault.js';
import { RedisKeys } from './redis-keys.js';

export interface RedisRevocationLogOptions extends RevocationIndexOptions {
  readonly prefix?: string;
}

const PAGE = 1_000;
const POLL_MS = 1_000;
const START_TIMEOUT_MS = 2_000;
/** Trimming goes by this node's clock, which may be ahead of Redis'. */
const CLOCK_SLACK_MS = 3_600_000;
/** A Redis that took over may have lost the last entries, and its clock may be behind: so much is read once more. */
const OVERLAP_MS = 60_000;

/**
 * A Redis stream, of which each node holds a full local copy. Read at once by `refresh()`, and every second in any case.
 * The client is the caller's and is not closed here.
 */
export class RedisRevocationLog extends RevocationLog {
  readonly #client: RedisClient;
  readonly #key: string;
  readonly #index: RevocationIndex;
  readonly #maxTokenLifeMs: number;
  readonly #logger = new Logger('AerieRevocations');
  readonly #unwatch: () => void;
  #onAdded: ((revocation: Revocation) => void) | undefined;
  /** The id of the last entry that was read. */
  #last = '0-0';
  #loaded = false;
  #away = false;
  #closed = false;
  #reading: Promise<void> | undefined;
  #readAgain = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(client: RedisClient, options: RedisRevocationLogOptions = {}) {
    super();
    this.#client = client;
    this.#key = new RedisKeys(options.prefix).revocations;
    this.#index = new RevocationIndex(options);
    this.#maxTokenLifeMs = options.maxTokenLifeMs ?? DEFAULT_MAX_TOKEN_LIFE_MS;
    this.#unwatch = onEachConnection(client, this.#rewind);
  }

  get loaded(): boolean {
    return this.#loaded;
  }

  async start(onAdded: (revocation: Revocation) => void): Promise<void> {
    await Promise.race([this.refresh(), waitAtMost(START_TIMEOUT_MS)]);
    this.#onAdded = onAdded;
    this.#schedule();
  }

  async add(revocation: Revocation): Promise<void> {
    const oldest = Date.now() - this.#maxTokenLifeMs - CLOCK_SLACK_MS;
    try {
      await this.#client.xadd(
        this.#key,
        'MINID',
        '~',
        Math.max(0, oldest),
        '*',
        'r',
        JSON.stringify(revocation),
      );
    } catch (error) {
      throw unavailable(error);
    }
    await this.refresh();
  }

  covers(session: Session): boolean {
    return this.#index.covers(session);
  }

  refresh(): Promise<void> {
    // A read under way may have passed what the caller was told of: it is followed by one more.
    this.#readAgain = this.#reading !== undefined;
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#unwatch();
    this.#onAdded = undefined;
    await this.#reading;
  }

  readonly #rewind = (): void => {
    const [time = '0'] = this.#last.split('-');
    this.#last = `${Math.max(0, Number(time) - OVERLAP_MS)}-0`;
  };

  async #readAll(): Promise<void> {
    try {
      do {
        this.#readAgain = false;
        while (!this.#closed && (await this.#readPage()) === PAGE);
      } while (this.#readAgain && !this.#closed);
      this.#index.expire(Date.now());
      this.#loaded = true;
      this.#away = false;
    } catch (error) {
      this.#onFault(error);
    }
  }

  async #readPage(): Promise<number> {
    const entries = await this.#client.xrange(this.#key, `(${this.#last}`, '+', 'COUNT', PAGE);
    for (const [id, fields] of entries) this.#take(id, fields[1] ?? '');
    return entries.length;
  }

  #take(id: string, text: string): void {
    this.#last = id;
    const revocation = revocationOf(text);
    if (revocation === undefined) return;
    this.#index.add(revocation, Number(id.split('-')[0]));
    this.#onAdded?.(revocation);
  }

  #onFault(error: unknown): void {
    if (this.#away || this.#closed) return;
    this.#away = true;
    this.#logger.warn(`revocations can't be read: ${faultOf(error)}; trying again every second`);
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(
      () => void this.refresh().then(() => this.#schedule()),
      POLL_MS * (0.75 + Math.random() / 4),
    );
    this.#timer.unref();
  }
}

/** An entry of this release, or undefined for what another one wrote differently. */
function revocationOf(text: string): Revocation | undefined {
  try {
    const { user, jti, issuedBefore } = JSON.parse(text) as Record<string, unknown>;
    return {
      ...(typeof user === 'string' && { user }),
      ...(typeof jti === 'string' && { jti }),
      ...(typeof issuedBefore === 'number' && { issuedBefore }),
    };
  } catch {
    return undefined;
  }
}

function waitAtMost(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

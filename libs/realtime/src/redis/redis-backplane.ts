import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import {
  Backplane,
  type Announced,
  type Announcement,
  type BackplaneHealth,
  type BackplaneListener,
} from '../publishing/backplane.js';
import type { Envelope } from '../publishing/envelope.js';
import { PLAIN } from './pub-sub-verbs.js';
import { RedisAnnouncer } from './redis-announcer.js';
import { isCluster, type RedisSource } from './redis-client.js';
import { DEFAULT_COMMAND_TIMEOUT_MS } from './redis-connection.js';
import { RedisKeys } from './redis-keys.js';
import { ShardedSubscriber } from './sharded-subscriber.js';
import { type Listening, SubscriberConnection } from './subscriber-connection.js';

export interface RedisBackplaneOptions {
  readonly source: RedisSource;
  /** Of every key and Pub/Sub channel. Default `aerie:`. */
  readonly prefix?: string;
  /** After it the outcome of a command is unknown. Default 2000. */
  readonly commandTimeoutMs?: number;
  /** After so long without a frame the subscriber is asked whether it still hears. Default 30,000. */
  readonly silenceMs?: number;
  /** At most so long a channel that its last subscriber left stays subscribed: whoever comes back costs no command. Default 15,000. */
  readonly lingerMs?: number;
}

const IDEMPOTENCY_MS = 300_000;
const PROBE_KEY_MS = 10_000;
const DEFAULT_SILENCE_MS = 30_000;
const DEFAULT_LINGER_MS = 15_000;
const BAD_ENVELOPE_LOG_MS = 60_000;
/** Redis Pub/Sub: one connection for commands, one that only listens; of a cluster, one of each to every master. */
export class RedisBackplane extends Backplane {
  readonly name = 'redis';
  readonly shared = true;
  readonly #announcer: RedisAnnouncer;
  readonly #subscriber: SubscriberConnection | ShardedSubscriber;
  readonly #logger = new Logger('AerieRedis');
  #listener: BackplaneListener | undefined;
  #badEnvelopeLoggedAt = -Infinity;

  constructor({
    source,
    prefix,
    commandTimeoutMs = DEFAULT_COMMAND_TIMEOUT_MS,
    silenceMs = DEFAULT_SILENCE_MS,
    lingerMs = DEFAULT_LINGER_MS,
  }: RedisBackplaneOptions) {
    super();
    const keys = new RedisKeys(prefix);
    const announcer = new RedisAnnouncer(source, {
      keys,
      commandTimeoutMs,
      onReady: () => void this.#subscriber.check(),
    });
    const listening: Listening = {
      keys,
      commandTimeoutMs,
      silenceMs,
      lingerMs,
      announce: (channel, frame, idempotencyKey) =>
        announcer.announce({ channel, frame, idempotencyKey }, PROBE_KEY_MS),
      heard: (channel, envelope) => this.#heard(channel, envelope),
      gap: () => this.#listener?.gap(),
    };
    this.#announcer = announcer;
    this.#subscriber = isCluster(announcer.client)
      ? new ShardedSubscriber(announcer.client, listening)
      : new SubscriberConnection({ source, verbs: PLAIN, probeChannel: `$probe:${randomUUID()}` }, listening);
  }

  async start(listener: BackplaneListener): Promise<void> {
    this.#listener = listener;
    await Promise.all([this.#announcer.open(), this.#subscriber.open()]);
  }

  async announce(announcement: Announcement): Promise<Announced> {
    return { duplicate: !(await this.#announcer.announce(announcement, IDEMPOTENCY_MS)) };
  }

  subscribe(channel: string): Promise<void> {
    return this.#subscriber.subscribe(channel);
  }

  unsubscribe(channel: string): void {
    this.#subscriber.unsubscribe(channel);
  }

  probe(timeoutMs: number): Promise<BackplaneHealth> {
    return this.#subscriber.probe(timeoutMs);
  }

  async close(): Promise<void> {
    await Promise.all([this.#announcer.close(), this.#subscriber.close()]);
  }

  #heard(channel: string, envelope: Envelope | undefined): void {
    if (envelope === undefined) this.#onBadEnvelope();
    else this.#listener?.deliver(channel, ownCopy(envelope.frame), envelope.position);
  }

  #onBadEnvelope(): void {
    const now = performance.now();
    if (now - this.#badEnvelopeLoggedAt < BAD_ENVELOPE_LOG_MS) return;
    this.#badEnvelopeLoggedAt = now;
    this.#logger.warn('a publication on the backplane has no envelope that this release reads: dropped');
  }
}

/** A copy with memory of its own: a view would hold the parser's whole chunk for as long as it is queued somewhere. */
function ownCopy(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.byteLength);
  copy.set(bytes);
  return copy;
}

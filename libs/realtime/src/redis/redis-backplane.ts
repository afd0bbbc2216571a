import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import type { Redis } from 'ioredis';
import {
  Backplane,
  type Announced,
  type Announcement,
  type BackplaneHealth,
  type BackplaneListener,
} from '../publishing/backplane.js';
import { decodeEnvelope } from '../publishing/envelope.js';
import { ChannelSubscriptions } from './channel-subscriptions.js';
import { EchoProbe } from './echo-probe.js';
import { RedisAnnouncer } from './redis-announcer.js';
import { DEFAULT_COMMAND_TIMEOUT_MS, RedisConnection, type RedisSource } from './redis-connection.js';
import { RedisKeys } from './redis-keys.js';

export interface RedisBackplaneOptions {
  readonly source: RedisSource;
  /** Of every key and Pub/Sub channel. Default `aerie:`. */
  readonly prefix?: string;
  /** After it the outcome of a command is unknown. Default 2000. */
  readonly commandTimeoutMs?: number;
  /** After so long without a frame the subscriber is asked whether it still hears. Default 30,000. */
  readonly silenceMs?: number;
}

const IDEMPOTENCY_MS = 300_000;
const PROBE_KEY_MS = 10_000;
const PROBE_TIMEOUT_MS = 5_000;
const DEFAULT_SILENCE_MS = 30_000;
const BAD_ENVELOPE_LOG_MS = 60_000;
/** So many probes in a row that Redis took and the subscriber did not hear: its connection is dead. */
const SILENT_PROBES = 2;

/**
 * Redis Pub/Sub: one connection for commands, one that only listens. A connection that died in silence is found by probes
 * that the node announces to itself; each new one is subscribed to everything again and told as a gap.
 */
export class RedisBackplane extends Backplane {
  readonly name = 'redis';
  readonly shared = true;
  readonly #keys: RedisKeys;
  readonly #announcer: RedisAnnouncer;
  readonly #subscriber: RedisConnection;
  readonly #channels: ChannelSubscriptions;
  readonly #probe: EchoProbe;
  readonly #probeChannel = `$probe:${randomUUID()}`;
  readonly #silenceMs: number;
  readonly #logger = new Logger('AerieRedis');
  #listener: BackplaneListener | undefined;
  #wasReady = false;
  #heardAt = 0;
  #silentProbes = 0;
  #silenceTimer: NodeJS.Timeout | undefined;
  #badEnvelopeLoggedAt = -Infinity;

  constructor({
    source,
    prefix,
    commandTimeoutMs = DEFAULT_COMMAND_TIMEOUT_MS,
    silenceMs,
  }: RedisBackplaneOptions) {
    super();
    this.#keys = new RedisKeys(prefix);
    this.#silenceMs = silenceMs ?? DEFAULT_SILENCE_MS;
    this.#announcer = new RedisAnnouncer(source, { keys: this.#keys, commandTimeoutMs });
    this.#subscriber = new RedisConnection(source, {
      role: 'subscriber',
      commandTimeoutMs,
      onReady: () => this.#restore(),
      onLost: () => this.#channels.lost(),
    });
    this.#channels = this.#openChannels(this.#subscriber.client, commandTimeoutMs);
    this.#probe = new EchoProbe((frame, idempotencyKey) =>
      this.#announcer.announce({ channel: this.#probeChannel, frame, idempotencyKey }, PROBE_KEY_MS),
    );
  }

  async start(listener: BackplaneListener): Promise<void> {
    this.#listener = listener;
    this.#channels.keep(this.#probeChannel);
    this.#subscriber.client.on('messageBuffer', (live: Buffer, message: Buffer) =>
      this.#receive(live, message),
    );
    await Promise.all([this.#announcer.open(), this.#subscriber.open()]);
    this.#heardAt = performance.now();
    this.#silenceTimer = setInterval(() => void this.#checkSilence(), this.#silenceMs / 3);
    this.#silenceTimer.unref();
  }

  async announce(announcement: Announcement): Promise<Announced> {
    return { duplicate: !(await this.#announcer.announce(announcement, IDEMPOTENCY_MS)) };
  }

  subscribe(channel: string): Promise<void> {
    return this.#channels.subscribe(channel);
  }

  unsubscribe(channel: string): Promise<void> {
    return this.#channels.unsubscribe(channel);
  }

  async probe(timeoutMs: number): Promise<BackplaneHealth> {
    if (!this.#subscriber.isReady) return { up: false, reason: 'Redis: the subscriber is not connected' };
    const { silent, ...health } = await this.#probe.run(timeoutMs);
    if (silent === true) this.#onSilentProbe();
    return health;
  }

  async close(): Promise<void> {
    clearInterval(this.#silenceTimer);
    await Promise.all([this.#announcer.close(), this.#subscriber.close()]);
  }

  #openChannels(client: Redis, deadlineMs: number): ChannelSubscriptions {
    const live = (channels: readonly string[]): string[] =>
      channels.map((channel) => this.#keys.live(channel));
    const commands = {
      subscribe: (channels: readonly string[]) => client.subscribe(...live(channels)),
      unsubscribe: (channels: readonly string[]) => client.unsubscribe(...live(channels)),
    };
    return new ChannelSubscriptions(commands, deadlineMs);
  }

  #receive(live: Buffer, message: Buffer): void {
    this.#heardAt = performance.now();
    this.#silentProbes = 0;
    const channel = this.#keys.channelOf(live.toString());
    if (channel === undefined || !this.#channels.isWanted(channel)) return;
    const envelope = decodeEnvelope(message);
    if (envelope === undefined) this.#onBadEnvelope();
    else if (channel === this.#probeChannel) this.#probe.heard(envelope.frame);
    else this.#listener?.deliver(channel, ownCopy(envelope.frame), envelope.position);
  }

  async #restore(): Promise<void> {
    const restoration = await this.#channels.restore();
    if (restoration === 'failed') this.#subscriber.reconnect();
    if (restoration !== 'restored') return;
    this.#silentProbes = 0;
    if (this.#wasReady) this.#listener?.gap();
    this.#wasReady = true;
  }

  async #checkSilence(): Promise<void> {
    if (performance.now() - this.#heardAt < this.#silenceMs) return;
    await this.probe(Math.min(PROBE_TIMEOUT_MS, this.#silenceMs));
  }

  #onSilentProbe(): void {
    this.#listener?.gap();
    this.#silentProbes += 1;
    if (this.#silentProbes < SILENT_PROBES) return;
    this.#silentProbes = 0;
    this.#logger.warn('the subscriber hears nothing of what Redis accepts: connecting it anew');
    this.#subscriber.reconnect();
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

import { Logger } from '@nestjs/common';
import type { BackplaneHealth } from '../publishing/backplane.js';
import { decodeEnvelope, type Envelope } from '../publishing/envelope.js';
import { ChannelSubscriptions } from './channel-subscriptions.js';
import { EchoProbe } from './echo-probe.js';
import type { PubSubVerbs } from './pub-sub-verbs.js';
import type { RedisSource } from './redis-client.js';
import { RedisConnection } from './redis-connection.js';
import type { RedisKeys } from './redis-keys.js';

/** What all connections that listen have in common. */
export interface Listening {
  readonly keys: RedisKeys;
  readonly commandTimeoutMs: number;
  /** After so long without a frame a connection is asked whether it still hears. */
  readonly silenceMs: number;
  /** At most so long a channel stays subscribed that is not wanted any more. */
  readonly lingerMs: number;
  /** Announces a probe by the ordinary path. */
  announce(channel: string, frame: Uint8Array, idempotencyKey: string): Promise<unknown>;
  heard(channel: string, envelope: Envelope | undefined): void;
  /** Something may not have been heard. */
  gap(): void;
}

/** Where and how one of them listens. */
export interface Ear {
  readonly source: RedisSource;
  readonly verbs: PubSubVerbs;
  /** Heard by this connection only, which asks itself there whether it hears. */
  readonly probeChannel: string;
  /** In a cluster: some of what it should hear is elsewhere now, or can't be subscribed yet. Else it connects anew. */
  readonly onStale?: () => void;
}

const PROBE_TIMEOUT_MS = 5_000;
/** So many probes in a row that Redis took and the subscriber did not hear: its connection is dead. */
const SILENT_PROBES = 2;

/**
 * A connection that only listens. One that died in silence is found by probes that the node announces to itself; each new
 * one is subscribed to everything again and told as a gap.
 */
export class SubscriberConnection {
  readonly #listening: Listening;
  readonly #verbs: PubSubVerbs;
  readonly #onStale: (() => void) | undefined;
  readonly #connection: RedisConnection;
  readonly #channels: ChannelSubscriptions;
  readonly #probe: EchoProbe;
  readonly #logger = new Logger('AerieRedis');
  #probeChannel: string;
  /** What is heard from now on, and was heard elsewhere or before: whoever listens must hear of it. */
  #owesGap = false;
  #heardAt = 0;
  #silentProbes = 0;
  #silenceTimer: NodeJS.Timeout | undefined;

  constructor({ source, verbs, probeChannel, onStale }: Ear, listening: Listening) {
    this.#listening = listening;
    this.#verbs = verbs;
    this.#onStale = onStale;
    this.#probeChannel = probeChannel;
    this.#connection = new RedisConnection(source, {
      role: 'subscriber',
      commandTimeoutMs: listening.commandTimeoutMs,
      onReady: () => this.#restore(),
      onLost: () => this.#lost(),
    });
    this.#channels = this.#openChannels();
    this.#channels.keep(probeChannel);
    this.#probe = new EchoProbe((frame, key) => listening.announce(this.#probeChannel, frame, key));
    const { client } = this.#connection;
    client.on(verbs.message, (live: Buffer, message: Buffer) => this.#receive(live, message));
    // Behind the acknowledgements that came before it.
    client.on('moved', () => setImmediate(() => this.#moved()));
  }

  get probeChannel(): string {
    return this.#probeChannel;
  }

  /** What it hears besides the probe, and goes on hearing on its connections to come. */
  channels(): readonly string[] {
    return [...this.#channels.confirmed()].filter((channel) => channel !== this.#probeChannel);
  }

  async open(): Promise<void> {
    await this.#connection.open();
    this.#heardAt = performance.now();
    this.#silenceTimer = setInterval(() => void this.#checkSilence(), this.#listening.silenceMs / 3);
    this.#silenceTimer.unref();
  }

  subscribe(channel: string): Promise<void> {
    return this.#channels.subscribe(channel);
  }

  unsubscribe(channel: string): void {
    this.#channels.unsubscribe(channel);
  }

  /** Takes over channels that another connection heard until now; `mend()` subscribes them. */
  adopt(channels: readonly string[]): void {
    for (const channel of channels) this.#channels.keep(channel);
    this.#owesGap ||= channels.length > 0;
  }

  /** Asks itself in another channel from now on. */
  probeIn(channel: string): void {
    this.#channels.unsubscribe(this.#probeChannel);
    this.#probeChannel = channel;
    this.#channels.keep(channel);
  }

  /** Subscribes what it should hear and does not. False: not everything, which is told as a gap once it is. */
  async mend(): Promise<boolean> {
    const restoration = await this.#channels.mend();
    if (restoration === 'restored') this.#tellGap();
    return restoration === 'restored';
  }

  async probe(timeoutMs: number): Promise<BackplaneHealth> {
    if (!this.#connection.isReady) return { up: false, reason: 'Redis: the subscriber is not connected' };
    const { silent, ...health } = await this.#probe.run(timeoutMs);
    if (silent === true) this.#onSilentProbe();
    return health;
  }

  /** Commands may go to another Redis from now on than the one that it listens to: it asks itself, and connects anew where it must. */
  async check(): Promise<void> {
    for (let probes = 0; probes < SILENT_PROBES && this.#connection.isReady; probes += 1)
      if ((await this.probe(this.#listening.commandTimeoutMs)).up) return;
  }

  async close(): Promise<void> {
    clearInterval(this.#silenceTimer);
    await this.#connection.close();
  }

  #openChannels(): ChannelSubscriptions {
    const { client } = this.#connection;
    const { keys, commandTimeoutMs: deadlineMs, lingerMs } = this.#listening;
    const live = (channels: readonly string[]): string[] => channels.map((channel) => keys.live(channel));
    const verbs = this.#verbs;
    const commands = {
      subscribe: (channels: readonly string[]) => verbs.subscribe(client, live(channels)),
      unsubscribe: (channels: readonly string[]) => verbs.unsubscribe(client, live(channels)),
      batches: verbs.batches,
    };
    return new ChannelSubscriptions(commands, { deadlineMs, lingerMs });
  }

  #receive(live: Buffer, message: Buffer): void {
    this.#heardAt = performance.now();
    this.#silentProbes = 0;
    const channel = this.#listening.keys.channelOf(live.toString());
    if (channel === undefined || !this.#channels.isWanted(channel)) return;
    const envelope = decodeEnvelope(message);
    if (channel === this.#probeChannel && envelope !== undefined) this.#probe.heard(envelope.frame);
    else this.#listening.heard(channel, envelope);
  }

  async #restore(): Promise<void> {
    const restoration = await this.#channels.restore();
    if (restoration === 'failed') {
      if (this.#onStale === undefined) this.#connection.reconnect();
      else this.#onStale();
    }
    if (restoration !== 'restored') return;
    this.#silentProbes = 0;
    this.#tellGap();
  }

  // A slot went away with its subscriptions. It may be back by now, so that all of them are asked for again.
  #moved(): void {
    this.#channels.doubt();
    this.#owesGap = true;
    this.#onStale?.();
  }

  #lost(): void {
    this.#channels.lost();
    this.#owesGap = true;
  }

  #tellGap(): void {
    if (!this.#owesGap) return;
    this.#owesGap = false;
    this.#listening.gap();
  }

  async #checkSilence(): Promise<void> {
    const { silenceMs } = this.#listening;
    if (performance.now() - this.#heardAt < silenceMs) return;
    await this.probe(Math.min(PROBE_TIMEOUT_MS, silenceMs));
  }

  #onSilentProbe(): void {
    this.#listening.gap();
    this.#silentProbes += 1;
    if (this.#silentProbes < SILENT_PROBES) return;
    this.#silentProbes = 0;
    this.#logger.warn('the subscriber hears nothing of what Redis accepts: connecting it anew');
    this.#connection.reconnect();
  }
}

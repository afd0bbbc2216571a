import { type Position, type ResyncNotice, SYSTEM } from '@aerie/protocol';
import type { Connection } from '../connections/connection.js';
import type { ConnectionRegistry } from '../connections/connection-registry.js';
import type { RealtimeMetrics } from '../metrics/meter.js';
import type { LocalFanout } from '../publishing/local-fanout.js';
import type { HeldBack } from './held-back.js';

/** Members load their state anew when they are told: not all at once. */
const SPREAD_MS = 5_000;
const TICK_MS = 100;

export interface ResyncNoticesOptions {
  readonly registry: ConnectionRegistry;
  readonly fanout: LocalFanout;
  readonly heldBack: HeldBack;
  readonly metrics: RealtimeMetrics;
}

interface Spread {
  readonly untold: Set<Connection>;
  readonly positionOf: () => Position | undefined;
  reason: string;
  ticksLeft: number;
}

/**
 * Tells every member of a channel that publications were lost to it, spread over 5 s. Until a member is told it gets nothing
 * of the channel; `$resync` then carries the position of that moment, and all that follows comes.
 */
export class ResyncNotices {
  readonly #options: ResyncNoticesOptions;
  readonly #spreads = new Map<string, Spread>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ResyncNoticesOptions) {
    this.#options = options;
    options.registry.onLeft((connection, channel) => this.#spreads.get(channel)?.untold.delete(connection));
  }

  /** Call when the loss is found, before anything behind it is delivered. */
  begin(channel: string, reason: string, positionOf: () => Position | undefined): void {
    const { fanout, registry, heldBack } = this.#options;
    fanout.flush(channel);
    const untold = new Set(registry.inChannel(channel));
    if (untold.size === 0) return;
    const ticksLeft = this.#spreads.get(channel)?.ticksLeft ?? SPREAD_MS / TICK_MS;
    this.#spreads.set(channel, { untold, positionOf, reason, ticksLeft });
    heldBack.set(channel, untold);
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#spreads.clear();
  }

  #tick(): void {
    for (const [channel, spread] of this.#spreads) {
      for (const member of spread.untold)
        if (Math.random() * spread.ticksLeft < 1) this.#tell(channel, spread, member);
      spread.ticksLeft -= 1;
      if (spread.untold.size === 0) this.#end(channel);
    }
  }

  #tell(channel: string, { untold, positionOf, reason }: Spread, member: Connection): void {
    const position = positionOf();
    if (position === undefined) return;
    this.#options.fanout.settle(channel, member);
    untold.delete(member);
    member.emit(SYSTEM.resync, { channel, ...position, reason } satisfies ResyncNotice);
    member.mark(channel, position);
    this.#options.metrics.resyncs.inc();
  }

  #end(channel: string): void {
    this.#spreads.delete(channel);
    this.#options.heldBack.clear(channel);
    if (this.#spreads.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

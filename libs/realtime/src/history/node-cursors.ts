import type { Position } from '@aerie/protocol';
import { Logger } from '@nestjs/common';
import type { RealtimeMetrics } from '../metrics/meter.js';
import { BackplaneUnavailable } from '../publishing/backplane.js';
import type { LocalFanout } from '../publishing/local-fanout.js';
import type { StallGate } from '../sessions/stall-gate.js';
import { ChannelCursor } from './channel-cursor.js';
import type { ChannelHistories } from './channel-histories.js';
import type { History, HistoryLimits } from './history.js';
import type { ResyncNotices } from './resync-notices.js';
import type { LiveFrame } from './waiting-frames.js';

const TICK_MS = 500;
/** A channel that brought nothing for so long is compared with its history. */
const IDLE_MS = 40_000;
/** After a gap of the backplane every channel is compared, within so long. */
const GAP_SPREAD_MS = 1_000;
const RETRY_MS = 2_000;
/** Comparisons at a time. */
const BATCH = 500;

export interface NodeCursorsOptions {
  readonly histories: ChannelHistories;
  readonly fanout: LocalFanout;
  readonly notices: ResyncNotices;
  readonly metrics: RealtimeMetrics;
  readonly gate: Pick<StallGate, 'passed'>;
}

interface Followed {
  readonly cursor: ChannelCursor;
  /** When to compare it with its history. */
  dueAt: number;
}

/**
 * The cursors of this node: one for each channel with a history that it listens to. A frame that comes shows a gap by itself;
 * channels where none comes are compared with their histories every 40 s, and all of them soon after a gap of the backplane.
 */
export class NodeCursors {
  readonly #options: NodeCursorsOptions;
  readonly #logger = new Logger('AerieHistory');
  readonly #followed = new Map<string, Followed>();
  #timer: NodeJS.Timeout | undefined;
  #checking = false;

  constructor(options: NodeCursorsOptions) {
    this.#options = options;
  }

  get(channel: string): ChannelCursor | undefined {
    return this.#followed.get(channel)?.cursor;
  }

  /**
   * Opens the channel's cursor once the backplane is heard; undefined for a channel without a history. Call it again after it
   * rejected, which it does as `subscribed` and with `BackplaneUnavailable`.
   */
  follow(channel: string, subscribed: Promise<void>): Promise<void> | undefined {
    const limits = this.#options.histories.limitsOf(channel);
    if (limits === undefined) return undefined;
    const known = this.get(channel);
    return this.#open(known ?? this.#add(channel, limits), subscribed, () => {
      // Who is a member already came without a position.
      if (known !== undefined) this.#tell(channel, known, 'late');
    });
  }

  release(channel: string): void {
    this.get(channel)?.close();
    this.#followed.delete(channel);
  }

  /** Takes a frame that came with a position. */
  receive(channel: string, live: LiveFrame): void {
    const cursor = this.get(channel);
    if (cursor === undefined) this.#options.fanout.deliver(channel, live.frame);
    else cursor.receive(live);
  }

  /** The backplane may have missed something. */
  gap(): void {
    const now = performance.now();
    for (const followed of this.#followed.values()) {
      followed.cursor.active = false;
      followed.dueAt = now + Math.random() * GAP_SPREAD_MS;
    }
  }

  close(): void {
    clearInterval(this.#timer);
    for (const channel of this.#followed.keys()) this.release(channel);
  }

  #add(channel: string, limits: HistoryLimits): ChannelCursor {
    const { histories, fanout, metrics } = this.#options;
    const cursor: ChannelCursor = new ChannelCursor({
      channel,
      limits,
      store: this.#behindTheGate(histories.store),
      deliver: (frame, position) => fanout.deliver(channel, frame, position),
      lost: (loss) => this.#tell(channel, cursor, loss),
      healed: () => metrics.heals.inc(),
    });
    this.#followed.set(channel, { cursor, dueAt: idleUntil(performance.now()) });
    this.#timer ??= setInterval(() => void this.#round(), TICK_MS).unref();
    return cursor;
  }

  // What was asked for before the node stood still may be answered after it was swept: nobody gets it then.
  #behindTheGate(store: History): Pick<History, 'read' | 'position'> {
    const { gate } = this.#options;
    return {
      read: (range) => store.read(range).finally(() => gate.passed()),
      position: (channel) => store.position(channel).finally(() => gate.passed()),
    };
  }

  async #open(cursor: ChannelCursor, subscribed: Promise<void>, opened: () => void): Promise<void> {
    await subscribed;
    const isNew = cursor.position === undefined;
    await cursor.open();
    if (isNew) opened();
  }

  #tell(channel: string, cursor: ChannelCursor, reason: string): void {
    this.#options.notices.begin(channel, reason, (): Position | undefined => cursor.position);
  }

  async #round(): Promise<void> {
    if (this.#checking) return;
    this.#checking = true;
    for (let due = this.#due(); due.length > 0; due = this.#due())
      await Promise.all(due.map((followed) => this.#check(followed)));
    this.#checking = false;
  }

  #due(): readonly Followed[] {
    const now = performance.now();
    const due: Followed[] = [];
    for (const followed of this.#followed.values()) {
      const { cursor } = followed;
      if (cursor.isStuck) followed.dueAt = Math.min(followed.dueAt, retryAt(now));
      else if (cursor.active) followed.dueAt = idleUntil(now);
      cursor.active = false;
      const isDue = cursor.position !== undefined && followed.dueAt <= now;
      if (isDue && due.length < BATCH) due.push(followed);
    }
    return due;
  }

  async #check(followed: Followed): Promise<void> {
    try {
      await followed.cursor.check();
      followed.dueAt = idleUntil(performance.now());
    } catch (error) {
      if (!(error instanceof BackplaneUnavailable))
        this.#logger.error(
          'a channel could not be checked',
          error instanceof Error ? error.stack : undefined,
        );
      followed.dueAt = retryAt(performance.now());
    }
  }
}

function idleUntil(now: number): number {
  return now + IDLE_MS * (0.75 + Math.random() / 4);
}

function retryAt(now: number): number {
  return now + RETRY_MS * (0.5 + Math.random() / 2);
}

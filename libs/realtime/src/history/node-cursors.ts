import type { Position } from '@aerie/protocol';
import { CheckRounds } from '../check-rounds.js';
import type { RealtimeMetrics } from '../metrics/meter.js';
import type { LocalFanout } from '../publishing/local-fanout.js';
import type { StallGate } from '../sessions/stall-gate.js';
import { ChannelCursor } from './channel-cursor.js';
import type { ChannelHistories } from './channel-histories.js';
import type { History, HistoryLimits } from './history.js';
import type { ResyncNotices } from './resync-notices.js';
import type { LiveFrame } from './waiting-frames.js';

export interface NodeCursorsOptions {
  readonly histories: ChannelHistories;
  readonly fanout: LocalFanout;
  readonly notices: ResyncNotices;
  readonly metrics: RealtimeMetrics;
  readonly gate: Pick<StallGate, 'passed'>;
}

/**
 * The cursors of this node: one for each channel with a history that it listens to. A frame that comes shows a gap by itself;
 * channels where none comes are compared with their histories every 40 s, and all of them soon after a gap of the backplane.
 */
export class NodeCursors {
  readonly #options: NodeCursorsOptions;
  readonly #cursors = new Map<string, ChannelCursor>();
  readonly #rounds = new CheckRounds('AerieHistory');

  constructor(options: NodeCursorsOptions) {
    this.#options = options;
  }

  get(channel: string): ChannelCursor | undefined {
    return this.#cursors.get(channel);
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
      if (known !== undefined && this.get(channel) === known) this.#tell(channel, known, 'late');
    });
  }

  release(channel: string): void {
    const cursor = this.get(channel);
    if (cursor === undefined) return;
    cursor.close();
    this.#cursors.delete(channel);
    this.#rounds.remove(cursor);
  }

  /** Takes a frame that came with a position. */
  receive(channel: string, live: LiveFrame): void {
    const cursor = this.get(channel);
    if (cursor === undefined) this.#options.fanout.deliver(channel, live.frame);
    else cursor.receive(live);
  }

  /** The backplane may have missed something. */
  gap(): void {
    this.#rounds.gap();
  }

  close(): void {
    for (const channel of this.#cursors.keys()) this.release(channel);
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
    this.#cursors.set(channel, cursor);
    this.#rounds.add(cursor);
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
}

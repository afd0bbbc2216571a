import type { Position } from '@aerie/protocol';
import type { Announced, Announcement } from '../publishing/backplane.js';

/** How much of a channel can be replayed. */
export interface HistoryLimits {
  /** The newest so many publications. 1-100,000. */
  readonly size: number;
  /** None that is older. Milliseconds, from 1,000 to 30 days. */
  readonly ttlMs: number;
}

/** A channel that has a history, and how much of it. */
export interface HistoryChannel {
  readonly channel: string;
  readonly limits: HistoryLimits;
}

/** What a publication becomes: an entry of its channel's history, and an announcement. */
export interface Append extends Announcement {
  readonly limits: HistoryLimits;
}

/** Which entries to read: the oldest that are left behind `after`. */
export interface HistoryRange extends HistoryChannel {
  readonly after: number;
  /** The last offset that is of interest. Default: as far as there is. */
  readonly through?: number;
  /** Entries at most. */
  readonly limit: number;
  /** Bytes of frames at most; the first entry is read however large it is. */
  readonly maxBytes: number;
}

export interface HistoryEntry {
  readonly offset: number;
  /** The frame as it was appended. */
  readonly frame: Uint8Array;
}

/** Entries in order and without a hole, and the channel's position: its epoch and the offset of its newest publication. */
export interface HistoryPage extends Position {
  readonly entries: readonly HistoryEntry[];
}

/**
 * Port. The replayable tail of channels. Offsets count from 1 within an epoch, without holes; where anything may have been
 * lost (the store was emptied, restarted or replaced by a copy of itself) a new epoch begins at 0, so that one position
 * never names two publications. A channel that nobody appended to yet stands at 0 of an epoch that stays.
 *
 * Each call is one atomic step. All but `close` reject with `BackplaneUnavailable` when the store does not answer in time.
 */
export abstract class History {
  /** Called once, before anything else, where any channel has a history. Rejects where the store can't be trusted with it. */
  abstract start(): Promise<void>;
  /**
   * Appends, and announces the frame with its position to every node, in one step. A repeat with the same key within five
   * minutes does neither and tells the first position.
   */
  abstract append(publication: Append): Promise<Announced>;
  abstract read(range: HistoryRange): Promise<HistoryPage>;
  /** Where a channel stands. */
  abstract position(channel: HistoryChannel): Promise<Position>;
  /** Releases what it opened. */
  abstract close(): Promise<void>;
}

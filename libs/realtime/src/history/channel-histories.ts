import {
  type ErrorBody,
  type HistoryReply,
  LIMITS,
  type Position,
  type PublicationFrame,
} from '@aerie/protocol';
import { BackplaneUnavailable } from '../publishing/backplane.js';
import { REPLY_LIST_BYTES } from '../reply-bytes.js';
import { continues } from './channel-cursor.js';
import type { History, HistoryEntry, HistoryLimits, HistoryPage } from './history.js';
import { withOffset } from './offset-frame.js';

/** Which page of a channel's history. */
export interface PageRequest {
  /** The offset behind which the page begins. Default: the newest publications. */
  readonly after?: number | undefined;
  /**
   * The epoch that `after` is an offset of: the outcome then has `recovered`. False: the history does not go on from there
   * any more, and no publications come.
   */
  readonly epoch?: string | undefined;
  /** 1-100, default 100. */
  readonly limit?: number | undefined;
}

/** A page of a channel's history, oldest first, and where the channel stands; or why there is none. */
export type HistoryOutcome = ({ readonly ok: true } & HistoryReply) | NoHistory;

interface NoHistory {
  readonly ok: false;
  readonly error: ErrorBody;
}

export interface ChannelHistoriesOptions {
  readonly history: History;
  /** How much of a channel is kept; undefined: nothing. */
  readonly limitsOf: (channel: string) => HistoryLimits | undefined;
}

/** The channels that have a history: where it is, how long, and its pages. */
export class ChannelHistories {
  readonly store: History;
  readonly limitsOf: (channel: string) => HistoryLimits | undefined;

  constructor({ history, limitsOf }: ChannelHistoriesOptions) {
    this.store = history;
    this.limitsOf = limitsOf;
  }

  /** A page ends before 256 KiB, or with one publication that is larger; ask again behind its last offset for as long as that is not the channel's. */
  page(channel: string, request: PageRequest = {}): Promise<HistoryOutcome> {
    return this.#ask(channel, async (limits) => {
      const page = await this.#read(channel, limits, request);
      const { epoch, offset, entries } = page;
      const recovered = recovery(page, request);
      const publications = recovered === false ? [] : entries.map(publicationOf);
      return { channel, epoch, offset, ...(recovered !== undefined && { recovered }), publications };
    });
  }

  /** Where a channel stands. */
  position(channel: string): Promise<({ readonly ok: true } & Position) | NoHistory> {
    return this.#ask(channel, (limits) => this.store.position({ channel, limits }));
  }

  async #ask<Found>(
    channel: string,
    find: (limits: HistoryLimits) => Promise<Found>,
  ): Promise<({ readonly ok: true } & Found) | NoHistory> {
    const limits = this.limitsOf(channel);
    if (limits === undefined) return { ok: false, error: NO_HISTORY };
    try {
      return { ok: true, ...(await find(limits)) };
    } catch (error) {
      if (!(error instanceof BackplaneUnavailable)) throw error;
      return { ok: false, error: UNAVAILABLE };
    }
  }

  async #read(
    channel: string,
    limits: HistoryLimits,
    { after, limit = LIMITS.historyPage }: PageRequest,
  ): Promise<HistoryPage> {
    const behind = after ?? (await this.store.position({ channel, limits })).offset - limit;
    return this.store.read({
      channel,
      limits,
      after: Math.max(0, behind),
      limit,
      maxBytes: REPLY_LIST_BYTES,
    });
  }
}

const NO_HISTORY: ErrorBody = { code: 'not_found', message: 'this channel keeps no history' };
const UNAVAILABLE: ErrorBody = { code: 'unavailable', message: 'the history did not answer, try again' };

function recovery(page: HistoryPage, { epoch, after = 0 }: PageRequest): boolean | undefined {
  return epoch === undefined ? undefined : continues(page, { epoch, offset: after });
}

function publicationOf({ frame, offset }: HistoryEntry): PublicationFrame {
  return JSON.parse(withOffset(frame, offset).toString()) as PublicationFrame;
}

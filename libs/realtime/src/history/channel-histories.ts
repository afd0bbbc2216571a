import { type ErrorBody, type HistoryReply, LIMITS, type PublicationFrame } from '@aerie/protocol';
import { BackplaneUnavailable } from '../publishing/backplane.js';
import { REPLY_LIST_BYTES } from '../reply-bytes.js';
import type { History, HistoryEntry, HistoryLimits, HistoryPage } from './history.js';
import { withOffset } from './offset-frame.js';

/** Which page of a channel's history. */
export interface PageRequest {
  /** The offset behind which the page begins. Default: the newest publications. */
  readonly after?: number | undefined;
  /** 1-100, default 100. */
  readonly limit?: number | undefined;
}

/** A page of a channel's history, oldest first, and where the channel stands; or why there is none. */
export type HistoryOutcome =
  ({ readonly ok: true } & HistoryReply) | { readonly ok: false; readonly error: ErrorBody };

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
  async page(channel: string, request: PageRequest = {}): Promise<HistoryOutcome> {
    const limits = this.limitsOf(channel);
    if (limits === undefined) return { ok: false, error: NO_HISTORY };
    try {
      const { epoch, offset, entries } = await this.#read(channel, limits, request);
      return { ok: true, channel, epoch, offset, publications: entries.map(publicationOf) };
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

function publicationOf({ frame, offset }: HistoryEntry): PublicationFrame {
  return JSON.parse(withOffset(frame, offset).toString()) as PublicationFrame;
}

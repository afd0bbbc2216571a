import type { HistoryReply } from '@aerie/protocol';
import type { Publication } from './events.js';
import type { Exchange, RequestOptions } from './exchange.js';

/** Which publications of a channel's history. */
export interface HistoryOptions extends RequestOptions {
  /** Those behind this offset. Without it: the newest. */
  readonly after?: number;
  /** At most so many, 1-100. Default 100. */
  readonly limit?: number;
}

/** A page of a channel's history, oldest first. `offset` is the channel's: as long as the last one is lower, there is more behind it. */
export interface HistoryPage<Events extends object> extends HistoryReply {
  readonly publications: readonly Publication<Events>[];
}

/** Asks for a page of a channel's history. */
export async function readHistory<Events extends object>(
  exchange: Exchange,
  channel: string,
  { after, limit, ...options }: HistoryOptions = {},
): Promise<HistoryPage<Events>> {
  const message = { event: '$history', data: { channel, after, limit } };
  return (await exchange.request(message, options)) as HistoryPage<Events>;
}

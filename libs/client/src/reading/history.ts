import type { HistoryReply } from '@aerie/protocol';
import type { Channel } from '../channel.js';
import type { Publication } from '../events.js';
import type { RequestOptions } from '../exchange.js';

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

/**
 * A page of a channel's history; needs no subscription.
 * @throws RealtimeError as `request` does: `not_found` for a channel without a history; the signal's reason.
 */
export async function history<Events extends object>(
  channel: Channel<Events>,
  { after, limit, ...options }: HistoryOptions = {},
): Promise<HistoryPage<Events>> {
  const message = { event: '$history', data: { channel: channel.name, after, limit } };
  return (await channel.core.exchange.request(message, options)) as HistoryPage<Events>;
}

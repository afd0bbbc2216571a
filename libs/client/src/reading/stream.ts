import type { RealtimeClient } from '../client.js';
import { checkedEvent } from '../events.js';
import type { RequestOptions } from '../exchange.js';
import { createBacklog } from './backlog.js';

const MAX_UNREAD = 256;

/**
 * Sends a message and yields its replies until the last. The message leaves with the first read; at most 256 replies
 * wait unread. Breaking off stops the reading, not the server.
 * @throws RealtimeError as `request` does, and `overloaded` when read slower than it arrives.
 */
// oxlint-disable-next-line max-params -- the client, and behind it what `request` takes
export async function* stream<Reply = unknown>(
  realtime: RealtimeClient<object>,
  event: string,
  data?: unknown,
  options?: RequestOptions,
): AsyncGenerator<Reply, void, undefined> {
  const replies = createBacklog<Reply>(MAX_UNREAD);
  const reply = (one: unknown, last: boolean): void => {
    if (one !== undefined) replies.push(one as Reply);
    if (last) replies.finish();
  };
  const message = { event: checkedEvent(event), data };
  const end = realtime.core.exchange.ask(message, { reply, fail: replies.fail }, options);
  try {
    yield* replies.read();
  } finally {
    end();
  }
}

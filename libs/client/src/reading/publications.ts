import type { Channel } from '../channel.js';
import { hasCode } from '../errors.js';
import type { Abortable, Publication } from '../events.js';
import { onAbort } from '../on-abort.js';
import { createBacklog } from './backlog.js';

const MAX_UNREAD = 1_000;

/**
 * Every publication of a channel, whatever its event, from the first read on, which subscribes as `subscribe` does.
 * Ends when the channel is left or taken away, or the client stops; breaking off leaves the channel subscribed. What is
 * lost to the history is told by `onResync` only.
 * @throws RealtimeError with the server's code where it refuses, `overloaded` behind 1,000 unread publications,
 * `unavailable` where the client is stopped already; the signal's reason.
 */
export async function* publications<Events extends object>(
  channel: Channel<Events>,
  { signal }: Abortable = {},
): AsyncGenerator<Publication<Events>, void, undefined> {
  const unread = createBacklog<Publication<Events>>(MAX_UNREAD);
  const unabort = onAbort(signal, unread.fail);
  const unheard = channel.listen('$', (_data: unknown, frame?: Publication<Events>) => {
    if (frame) unread.push(frame);
  });
  const unsettled = channel.listen('$settled', (error?: unknown) => {
    if (hasCode(error, 'unavailable')) unread.finish();
    else if (error) unread.fail(error);
  });
  channel.subscribe().catch(unread.fail);
  try {
    yield* unread.read();
  } finally {
    unabort();
    unheard();
    unsettled();
  }
}

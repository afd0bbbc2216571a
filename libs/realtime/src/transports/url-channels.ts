import { isChannelName, LIMITS, type Position, SYSTEM } from '@aerie/protocol';
import type { ChannelMessages } from '../channels/channel-messages.js';
import type { Connection } from '../connections/connection.js';
import type { Beginning } from '../history/recovery.js';
import { Refusal } from '../refusal.js';

/** A channel that a request asks for, and where its client stood in it. */
export interface WantedChannel {
  readonly channel: string;
  readonly position?: Position;
}

/** `?channels=a,b`, and every channel that the client comes back with a position of. */
export function channelsIn(
  query: URLSearchParams,
  positions: ReadonlyMap<string, Position>,
): readonly WantedChannel[] | Refusal {
  const named = query
    .getAll('channels')
    .flatMap((list) => list.split(','))
    .filter((name) => name !== '');
  if (!named.every(isChannelName)) return new Refusal('invalid', 'channels: not a channel name');
  const wanted = [...new Set([...named, ...positions.keys()])];
  if (wanted.length > LIMITS.channelsPerStream)
    return new Refusal('limit_exceeded', `at most ${LIMITS.channelsPerStream} channels`);
  return wanted.map((channel) => {
    const position = positions.get(channel);
    return { channel, ...(position !== undefined && { position }) };
  });
}

/** Subscribes them one after the other; each is told by `$subscribed`, with what was missed behind it. */
export async function subscribeAll(
  connection: Connection,
  wanted: readonly WantedChannel[],
  channels: Pick<ChannelMessages, 'subscribe'>,
): Promise<void> {
  for (const { channel, position } of wanted) {
    if (!connection.isOpen) return;
    const subscription = { channel, presence: false, ...(position !== undefined && { position }) };
    const outcome = await channels.subscribe(connection, subscription, (beginning) =>
      tellBeginning(connection, channel, beginning),
    );
    if (!(outcome instanceof Refusal)) continue;
    connection.emit(SYSTEM.subscribed, { channel, error: outcome.body });
    // It may be refused for a moment only: then its place is kept.
    if (outcome.status < 500) connection.mark(channel, undefined);
  }
}

// The position is the one behind which the publications go on, as in a reply that has no room for them. Offsets have no holes.
function tellBeginning(
  connection: Connection,
  channel: string,
  { publications = [], offset, ...begin }: Beginning,
): void {
  const before = offset === undefined ? undefined : offset - publications.length;
  connection.emit(SYSTEM.subscribed, { channel, ...begin, offset: before });
  for (const publication of publications) connection.sendPayload(publication);
}

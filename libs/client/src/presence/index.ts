import type { Channel } from '../channel.js';
import { createPresence, type ChannelPresence } from './channel-presence.js';

export type { ChannelPresence, PresenceEvents } from './channel-presence.js';
export type { PresenceChange } from './member-set.js';

const known = new WeakMap<object, ChannelPresence>();

/** Who is in a channel: the same object for the channel each time. Nothing is asked before somebody listens. */
export function presence<Events extends object>(channel: Channel<Events>): ChannelPresence {
  let one = known.get(channel);
  if (!one) known.set(channel, (one = createPresence(channel)));
  return one;
}

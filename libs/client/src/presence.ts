import type { KeepPresence } from './member-keeper.js';
import { PresenceReplica } from './presence-replica.js';

export type { ChannelPresence, KeepPresence, PresenceChange, PresenceEvents } from './member-keeper.js';

/** For the option `presence`: clients that have it can be told who is in a channel. */
export function presence(): KeepPresence {
  return (ports) => new PresenceReplica(ports);
}

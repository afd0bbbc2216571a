import type { Position } from '@aerie/protocol';
import type { RealtimeError } from './errors.js';

/** Where a subscription stands. Closed: a `switch` over `status` is complete. */
export type ChannelState =
  | { readonly status: 'idle' }
  /** Asked for, or to be asked for as soon as there is a connection. */
  | { readonly status: 'subscribing' }
  /** `recovered`: after a reconnect, whether it went on where it was. Absent where there was nothing to go on from. */
  | { readonly status: 'subscribed'; readonly recovered?: boolean | undefined }
  /** The server said no; only `subscribe()` asks again. */
  | { readonly status: 'refused'; readonly error: RealtimeError }
  /** The server took it back; only `subscribe()` asks again. */
  | { readonly status: 'unsubscribed'; readonly reason: string };

/** The channel's history could not be continued: drop what you built from it and load it anew. */
export interface Resync {
  readonly reason: string;
  /** Where the channel goes on. */
  readonly position?: Position | undefined;
}

import type { ErrorBody } from './error-codes.js';
import type { Position } from './position.js';

/** What a client names a message by, to know its reply: a finite number, or a string of at most 64 bytes. */
export type MessageId = number | string;

/** Client to server. With an `id` the client wants a reply. */
export interface Message {
  readonly event: string;
  readonly data?: unknown;
  readonly id?: MessageId;
}

/** Answer to a message that had an id. A stream sends `more: true` until `done: true`. */
export interface Reply {
  readonly id: MessageId;
  readonly event?: string;
  readonly data?: unknown;
  readonly more?: true;
  readonly done?: true;
}

/** Answer to a message that failed; without `id` where the message had none or could not be read. */
export interface ErrorReply {
  readonly id?: MessageId;
  readonly error: ErrorBody;
}

/** Server to a channel's subscribers. `from` is the publishing user, set by the server. */
export interface PublicationFrame {
  readonly event: string;
  readonly channel: string;
  readonly data?: unknown;
  readonly offset?: number;
  readonly from?: string;
}

/** Server to one user: at most once, no channel. With `notification` it is durable and wants an ack. */
export interface DirectFrame {
  readonly event: string;
  readonly data?: unknown;
  readonly notification?: string;
}

/** The system's events. Clients may send the first group; servers send the second. */
export const SYSTEM = {
  auth: '$auth',
  subscribe: '$subscribe',
  unsubscribe: '$unsubscribe',
  publish: '$publish',
  presence: '$presence',
  history: '$history',
  ack: '$ack',
  ping: '$ping',
  pong: '$pong',
  welcome: '$welcome',
  join: '$join',
  leave: '$leave',
  unsubscribed: '$unsubscribed',
  acked: '$acked',
  reconnect: '$reconnect',
  resync: '$resync',
  subscribed: '$subscribed',
  close: '$close',
} as const;

/** One of those names. The type lets a bundle write the name it needs instead of carrying the table. */
export type SystemEvent = (typeof SYSTEM)[keyof typeof SYSTEM];

/** Data of `$welcome`, a connection's first frame. */
export interface Welcome {
  readonly connection: string;
  readonly user: string;
  readonly node: string;
  /** Epoch milliseconds; null for a session without an end. */
  readonly expiresAt: number | null;
  readonly heartbeat: { readonly intervalMs: number; readonly timeoutMs: number };
  readonly maxFrameBytes: number;
  readonly transport: string;
  /** What stands for the session in later requests, where the transport needs such a thing. Secret. */
  readonly resume?: string;
  readonly channels: Readonly<Record<string, Partial<Position>>>;
  /** By the clock of `expiresAt`: now. */
  readonly serverTime?: number;
  /** How many messages the server takes from one connection: more end it with 4429. */
  readonly messages?: { readonly perSecond: number; readonly burst: number };
}

/** A user in a channel. */
export interface Member {
  readonly user: string;
}

/** Who is in a channel at a version: all, or with `more` those up to the last one; `$presence` with `after` brings the next. */
export interface PresenceSet {
  readonly version: number;
  readonly members: readonly Member[];
  readonly more?: boolean;
}

/** Data of `$join` and `$leave`: a user came into a channel, or went. */
export interface PresenceNotice {
  readonly channel: string;
  readonly user: string;
  /** Of one channel they only grow: what is not above the version of a set is part of it. */
  readonly version: number;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** Reply to `$presence`, and data of the `$presence` that the server sends where the set is to be taken anew. */
export interface PresenceReply extends PresenceSet {
  readonly channel: string;
}

/** Reply to `$subscribe`; position, `recovered` and `publications` only where the channel has history. */
export interface SubscribeReply extends Partial<Position> {
  readonly channel: string;
  readonly recovered?: boolean;
  readonly publications?: readonly PublicationFrame[];
  /** Where it was asked for. */
  readonly presence?: PresenceSet;
}

/** Reply to `$publish`; with the publication's position where the channel has history. */
export interface PublishReply extends Partial<Position> {
  readonly channel: string;
}

/** Reply to `$history`, and body of `GET /events`: publications, oldest first; the position is the channel's. */
export interface HistoryReply extends Position {
  readonly channel: string;
  /** Where a position was asked from: whether the publications go on from there. */
  readonly recovered?: boolean;
  readonly publications: readonly PublicationFrame[];
}

/** Data of `$resync`: what was built from the channel is out of date; it goes on at the position. */
export interface ResyncNotice extends Position {
  readonly channel: string;
  readonly reason: string;
}

/** Data of `$subscribed`: what became of a channel that the URL of a stream named. What was missed follows as publications. */
export type SubscribedNotice =
  Omit<SubscribeReply, 'publications'> | { readonly channel: string; readonly error: ErrorBody };

/** Data of `$close`, the last frame where the transport has no close code of its own. */
export interface CloseNotice {
  readonly code: number;
  readonly reason: string;
}

/** Data of `$reconnect`: this connection will be closed; when to come back. */
export interface ReconnectNotice {
  /** Milliseconds from receipt. */
  readonly afterMs: number;
  readonly reason: string;
}

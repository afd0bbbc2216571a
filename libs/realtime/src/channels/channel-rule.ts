import type { Connection } from '../connections/connection.js';
import type { Session } from '../connections/session.js';
import type { Visitor } from '../handshake/visitor.js';
import type { HistoryLimits } from '../history/history.js';
import type { SlowPolicy } from '../publishing/local-fanout.js';
import type { Refusal } from '../refusal.js';

export interface ChannelOptions {
  /** How much of it can be replayed. Off by default. */
  readonly history?: HistoryLimits;
  /** Whether it is known who is in it. Default false. */
  readonly presence?: boolean;
  /** What becomes of publications to a subscriber that is behind. Default `disconnect`; others exclude history. */
  readonly slow?: SlowPolicy;
}

export interface ChannelRequest {
  readonly session: Session;
  /** Undefined where a plain request asks, which has none: then there is a visitor. */
  readonly connection?: Connection;
  readonly visitor?: Visitor;
  readonly channel: string;
  /** What the pattern's `{name}` segments matched. */
  readonly params: Readonly<Record<string, string>>;
}

export interface PublishRequest extends ChannelRequest {
  /** Only connections publish. */
  readonly connection: Connection;
  readonly event: string;
  readonly data: unknown;
}

/** No, yes, or yes with this data instead of the client's. */
export type PublishVerdict = boolean | Refusal | { readonly data: unknown };

/** Who may do what in the channels of one pattern. What no rule covers, nobody may. */
export interface ChannelRule extends ChannelOptions {
  readonly pattern: string;
  maySubscribe(request: ChannelRequest): Promise<boolean | Refusal> | boolean | Refusal;
  mayPublish(request: PublishRequest): Promise<PublishVerdict> | PublishVerdict;
}

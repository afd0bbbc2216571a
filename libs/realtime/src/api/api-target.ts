import type { HistoryOutcome, PageRequest } from '../history/channel-histories.js';
import type { PresenceOutcome, PresencePageRequest } from '../presence/channel-presence.js';
import type { CommandOutcome, PublishOutcome } from '../publishing/outcome.js';
import type { NodeInfo } from '../sessions/node-directory.js';
import type { Revocation } from '../sessions/revocations.js';
import type { UserConnection } from '../sessions/sessions.js';

interface PublishOptions {
  readonly idempotencyKey?: string;
}

interface ChannelTarget {
  publish(event: string, data: unknown, options?: PublishOptions): Promise<PublishOutcome>;
  history(page?: PageRequest): Promise<HistoryOutcome>;
  presence(page?: PresencePageRequest): Promise<PresenceOutcome>;
}

interface UserTarget {
  disconnect(options?: { reconnect?: boolean }): Promise<CommandOutcome>;
  unsubscribe(channel: string): Promise<CommandOutcome>;
  isOnline(): Promise<boolean>;
  connections(): Promise<readonly UserConnection[]>;
}

interface TargetInfo {
  readonly node: string;
  readonly connections: number;
  readonly users: number;
  readonly channels: number;
  readonly backplane: { readonly name: string; readonly shared: boolean; readonly up: boolean };
  readonly nodes: readonly NodeInfo[];
}

/** Port. What the operations ask of the node: the application's `RealtimeService` stands behind it. Failures are values. */
export abstract class ApiTarget {
  abstract channel(name: string): ChannelTarget;
  abstract user(id: string): UserTarget;
  abstract broadcast(event: string, data: unknown, options?: PublishOptions): Promise<PublishOutcome>;
  abstract revoke(revocation: Revocation): Promise<CommandOutcome>;
  abstract info(): Promise<TargetInfo>;
}

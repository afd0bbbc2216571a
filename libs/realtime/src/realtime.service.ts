import { isChannelName, isEventName, isUserId, userChannel } from '@aerie/protocol';
import { Injectable } from '@nestjs/common';
import { ConnectionRegistry } from './connections/connection-registry.js';
import { ChannelHistories, type HistoryOutcome, type PageRequest } from './history/channel-histories.js';
import {
  ChannelPresence,
  type PresenceOutcome,
  type PresencePageRequest,
} from './presence/channel-presence.js';
import { BackplaneWatch } from './health/backplane-watch.js';
import { Backplane } from './publishing/backplane.js';
import { BROADCAST_CHANNEL } from './publishing/internal-channels.js';
import type { CommandOutcome, PublishOutcome } from './publishing/outcome.js';
import { Publisher } from './publishing/publisher.js';
import { Control } from './sessions/control.js';
import type { NodeInfo } from './sessions/node-directory.js';
import type { Revocation } from './sessions/revocations.js';
import type { SessionListener } from './sessions/session-events.js';
import { Sessions, type UserConnection } from './sessions/sessions.js';

/** Event names and what travels with them. Declare one and share it with the client. */
export type EventMap = Record<string, unknown>;
// `app.get(RealtimeService)` infers `unknown`: then every event may go out.
type EventOf<Events> = unknown extends Events ? string : keyof Events & string;
type DataOf<Events, Event> = Event extends keyof Events ? Events[Event] : unknown;

export interface PublishOptions {
  /** A repeat with the same key, within five minutes and in the same channel, announces nothing. Default: a random one. */
  readonly idempotencyKey?: string;
}

/** A named stream of publications. */
export interface ChannelHandle<Events> {
  /** Announces to every subscriber on every node. Failures are values. */
  publish<Event extends EventOf<Events>>(
    event: Event,
    data: DataOf<Events, Event>,
    options?: PublishOptions,
  ): Promise<PublishOutcome>;
  /** A page of the channel's history, oldest first: the newest publications, or those behind an offset. Failures are values. */
  history(page?: PageRequest): Promise<HistoryOutcome>;
  /** Who is in the channel, on any node, in pages of at most 1,000 users. Failures are values. */
  presence(page?: PresencePageRequest): Promise<PresenceOutcome>;
}

/** One user, on whichever nodes its connections are. */
export interface UserHandle<Events> {
  /** Sends a direct event to all of the user's connections. At most once. */
  emit<Event extends EventOf<Events>>(event: Event, data: DataOf<Events, Event>): Promise<PublishOutcome>;
  /** Closes all of the user's connections: 4403, or 4401 where it may come back. */
  disconnect(options?: { reconnect?: boolean }): Promise<CommandOutcome>;
  /** Takes the user out of a channel; `invalid` for the user's own, which is the server's to give and take. */
  unsubscribe(channel: string): Promise<CommandOutcome>;
  /**
   * Whether the user is connected to any node, or was until a moment ago (`sessions.graceMs`). One round trip; rejects with
   * the code `unavailable` while Redis is away.
   */
  isOnline(): Promise<boolean>;
  /** The user's connections to all nodes. One round trip; rejects with the code `unavailable` while Redis is away. */
  connections(): Promise<readonly UserConnection[]>;
}

export interface RealtimeInfo {
  readonly node: string;
  readonly connections: number;
  readonly users: number;
  readonly channels: number;
  readonly backplane: { readonly name: string; readonly shared: boolean; readonly up: boolean };
  readonly nodes: readonly NodeInfo[];
}

/** What an application does with realtime: reach channels and users on any node. */
@Injectable()
export class RealtimeService<Events = EventMap> {
  constructor(
    private readonly publisher: Publisher,
    private readonly control: Control,
    private readonly registry: ConnectionRegistry,
    private readonly backplane: Backplane,
    private readonly watch: BackplaneWatch,
    private readonly sessions: Sessions,
    private readonly histories: ChannelHistories,
    private readonly presence: ChannelPresence,
  ) {}

  /** Its events are those of `Events` unless `Own` says otherwise. Throws on what is no channel name: `encodeSegment` of `@aerie/protocol` makes any value one segment. */
  channel<Own = Events>(name: string): ChannelHandle<Own> {
    if (!isChannelName(name)) throw new TypeError('not a channel name');
    return {
      publish: (event, data, { idempotencyKey } = {}) => {
        assertEvent(event);
        return this.publisher.publish({
          channel: name,
          frame: { event, channel: name, data },
          idempotencyKey,
        });
      },
      history: (page) => this.histories.page(name, page),
      presence: (page) => this.presence.page(name, page),
    };
  }

  user(id: string): UserHandle<Events> {
    if (!isUserId(id)) throw new TypeError('not a user id');
    return {
      emit: (event, data) => {
        assertEvent(event);
        return this.publisher.publish({ channel: userChannel(id), frame: { event, data }, direct: true });
      },
      disconnect: ({ reconnect = false } = {}) => this.control.disconnect(id, reconnect),
      unsubscribe: (channel) => this.control.unsubscribe(id, channel),
      isOnline: () => this.sessions.isOnline(id),
      connections: () => this.sessions.connectionsOf(id),
    };
  }

  /** Sends a direct event to every connection of every node. */
  broadcast<Event extends EventOf<Events>>(
    event: Event,
    data: DataOf<Events, Event>,
    { idempotencyKey }: PublishOptions = {},
  ): Promise<PublishOutcome> {
    assertEvent(event);
    return this.publisher.publish({ channel: BROADCAST_CHANNEL, frame: { event, data }, idempotencyKey });
  }

  /** Ends the sessions that the revocation names, now and for later handshakes, on every node. */
  revoke(revocation: Revocation): Promise<CommandOutcome> {
    return this.control.revoke(revocation);
  }

  /**
   * Tells `listener` of every connection that opens and ends and of every user that comes online and goes offline, on any node:
   * one node that listens is told of each. At least once: one that fails is told again, so dedupe by `event.id`. Listen before
   * the application listens on its port; the returned function stops it.
   */
  onSession(listener: SessionListener): () => void {
    return this.sessions.events.on(listener);
  }

  async info(): Promise<RealtimeInfo> {
    const { size: connections, users, channels } = this.registry;
    const { name, shared } = this.backplane;
    return {
      node: this.sessions.node,
      connections,
      users,
      channels,
      backplane: { name, shared, up: this.watch.status.up },
      nodes: await this.sessions.nodes(),
    };
  }
}

function assertEvent(event: string): void {
  if (!isEventName(event))
    throw new TypeError('not an event name: 1-128 bytes, no control characters, not starting with $');
}

import {
  isUserId,
  LIMITS,
  type Message,
  type PresenceReply,
  type PresenceSet,
  SYSTEM,
} from '@aerie/protocol';
import type { Connection } from '../connections/connection.js';
import type { ConnectionRegistry } from '../connections/connection-registry.js';
import type { SystemHandlers } from '../messages/message-handlers.js';
import type { ChannelPresence } from '../presence/channel-presence.js';
import type { NodePresence } from '../presence/node-presence.js';
import { presenceChannel } from '../publishing/internal-channels.js';
import type { Hold, NodeChannels } from '../publishing/node-channels.js';
import { Refusal } from '../refusal.js';
import type { ChannelAccess } from './channel-access.js';
import { channelOf, fieldsOf } from './message-fields.js';

export interface PresenceMessagesOptions {
  readonly access: ChannelAccess;
  readonly registry: ConnectionRegistry;
  readonly channels: NodeChannels;
  readonly presence: ChannelPresence;
  readonly known: NodePresence;
}

/** `$presence`, and the part of `$subscribe` that asks to be told who comes and goes. */
export class PresenceMessages {
  readonly #options: PresenceMessagesOptions;

  constructor(options: PresenceMessagesOptions) {
    this.#options = options;
    const { registry, channels, presence } = options;
    registry.onLeft((connection, channel) => {
      if (presence.keeps(channel)) channels.leave(connection, presenceChannel(channel));
    });
  }

  register(handlers: SystemHandlers): void {
    handlers.set(SYSTEM.presence, (connection, message) => this.#presence(connection, message));
  }

  /** Why a channel's members can't be watched. */
  refusal(channel: string): Refusal | undefined {
    return this.#options.presence.keeps(channel)
      ? undefined
      : new Refusal('invalid', 'this channel has no presence');
  }

  /** Begins to follow the members. Rejects with `BackplaneUnavailable`. */
  open(channel: string): Promise<Hold> {
    return this.#options.channels.hold(presenceChannel(channel));
  }

  /** Lets a connection hear of each change from now on. The members up to here, its own user among them. */
  watch(connection: Connection, channel: string, hold: Hold): PresenceSet | undefined {
    hold.enter(connection);
    return this.#options.known.page(channel, { limit: LIMITS.presencePage }, connection.session.user);
  }

  async #presence(connection: Connection, message: Message): Promise<PresenceReply | Refusal> {
    const channel = channelOf(message);
    if (channel instanceof Refusal) return channel;
    const { after, limit = LIMITS.presencePage } = fieldsOf(message);
    if (after !== undefined && !isUserId(after)) return new Refusal('invalid', 'data.after must be a user');
    if (!isLimit(limit)) return new Refusal('invalid', `data.limit must be 1-${LIMITS.presencePage}`);
    const refusal = await this.#options.access.subscribe({ connection, channel });
    if (refusal !== undefined) return refusal;
    const { user: own } = connection.session;
    const known = this.#knownTo(connection, channel)?.page(channel, { after, limit }, own);
    if (known !== undefined) return { channel, ...known };
    const outcome = await this.#options.presence.page(channel, { after, limit });
    if (!outcome.ok) return new Refusal(outcome.error.code, outcome.error.message);
    const { version, members, more } = outcome;
    return { channel, version, members: members.map(({ user }) => ({ user })), ...(more && { more }) };
  }

  // Whoever is told of changes gets pages that they fit to, and is on them itself, written already or not.
  #knownTo(connection: Connection, channel: string): NodePresence | undefined {
    return connection.channels.has(presenceChannel(channel)) ? this.#options.known : undefined;
  }
}

function isLimit(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= LIMITS.presencePage;
}

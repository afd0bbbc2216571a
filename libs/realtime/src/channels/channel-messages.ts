import {
  encodeSegment,
  isPosition,
  isEventName,
  LIMITS,
  type Message,
  type Position,
  type PresenceSet,
  type PublicationFrame,
  type PublishReply,
  SYSTEM,
  userChannel,
  utf8Length,
} from '@aerie/protocol';
import type { Connection } from '../connections/connection.js';
import type { Beginning, Recovery } from '../history/recovery.js';
import { currentMessage } from '../messages/message-context.js';
import { ANSWERED, type SystemHandlers, UnderWay } from '../messages/message-handlers.js';
import { BackplaneUnavailable } from '../publishing/backplane.js';
import { isInternal } from '../publishing/internal-channels.js';
import type { Hold, NodeChannels } from '../publishing/node-channels.js';
import type { Publisher } from '../publishing/publisher.js';
import { Refusal } from '../refusal.js';
import type { ChannelAccess } from './channel-access.js';
import { channelOf, fieldsOf } from './message-fields.js';
import type { PresenceMessages } from './presence-messages.js';
import { answerSubscribe } from './subscribe-reply.js';

export interface ChannelMessagesOptions {
  readonly access: ChannelAccess;
  readonly channels: NodeChannels;
  readonly publisher: Publisher;
  readonly recovery: Pick<Recovery, 'prepare' | 'begin'>;
  readonly presence: Pick<PresenceMessages, 'refusal' | 'open' | 'watch'>;
}

/** `$subscribe`, `$unsubscribe` and `$publish`. */
export class ChannelMessages {
  readonly #options: ChannelMessagesOptions;

  constructor(options: ChannelMessagesOptions) {
    this.#options = options;
  }

  register(handlers: SystemHandlers): void {
    handlers.set(SYSTEM.subscribe, (connection, message) => this.#subscribe(connection, message));
    handlers.set(SYSTEM.unsubscribe, (connection, message) => this.#unsubscribe(connection, message));
    handlers.set(SYSTEM.publish, (connection, message) => this.#publish(connection, message));
  }

  async #subscribe(connection: Connection, message: Message): Promise<Refusal | typeof ANSWERED> {
    const wanted = subscriptionOf(message);
    if (wanted instanceof Refusal) return wanted;
    const { channel } = wanted;
    return this.subscribe(connection, wanted, (beginning, presence) =>
      answerSubscribe(connection, message, { channel, beginning, presence }),
    );
  }

  /** Makes a connection a member of a channel, if it may be; `answer` runs in the step of the join. */
  async subscribe(
    connection: Connection,
    wanted: WantedSubscription,
    answer: SubscribeAnswer,
  ): Promise<Refusal | typeof ANSWERED> {
    const { channel } = wanted;
    const { session } = connection;
    if (!isWatch(connection, wanted)) {
      const refusal = await this.#options.access.subscribe({ connection, channel });
      if (refusal !== undefined) return refusal;
    }
    const unserved = wanted.presence ? this.#options.presence.refusal(channel) : undefined;
    if (unserved !== undefined) return unserved;
    const max = connection.keepsPositions ? LIMITS.channelsPerStream : LIMITS.channelsPerConnection;
    if (!connection.channels.has(channel) && channelsOf(connection, max) >= max)
      return new Refusal('limit_exceeded', `at most ${max} channels per connection`);
    // What the reply may bring is bounded by what the connection still owes: it is given time to take that first.
    if (wanted.position !== undefined) await connection.drained();
    // Who was told meanwhile that it took too long must be no member without knowing.
    if (currentMessage()?.over === true) return ANSWERED;
    const outcome = await this.#join(connection, wanted, answer);
    if (connection.session !== session) await this.#recheck(connection, channel);
    return outcome;
  }

  // A renewal that came meanwhile looked at the channels of that moment: this one was not among them yet.
  async #recheck(connection: Connection, channel: string): Promise<void> {
    const refusal = await this.#options.access.subscribe({ connection, channel });
    if (refusal === undefined || refusal.status >= 500 || !this.#options.channels.leave(connection, channel))
      return;
    connection.emit(SYSTEM.unsubscribed, { channel, reason: 'forbidden' });
  }

  // The reply must stand in the outbox before the first publication: it goes out in the same step as the join.
  async #join(
    connection: Connection,
    wanted: WantedSubscription,
    answer: SubscribeAnswer,
  ): Promise<Refusal | typeof ANSWERED> {
    const { channel, position } = wanted;
    const { channels, recovery, presence } = this.#options;
    let members: Hold | undefined;
    const reply = (): void => {
      const beginning = recovery.begin(channel, position, connection.room / 2);
      const set = members && presence.watch(connection, channel, members);
      members = undefined;
      answer(beginning, set);
      const { epoch, offset } = beginning;
      connection.mark(channel, epoch === undefined || offset === undefined ? undefined : { epoch, offset });
    };
    try {
      if (wanted.presence) members = await presence.open(channel);
      const joined = await channels.join(connection, channel, {
        ...(position !== undefined && { prepare: () => recovery.prepare(channel, position) }),
        before: reply,
      });
      return joined ? ANSWERED : new Refusal('unavailable', 'the connection is closing');
    } catch (error) {
      if (!(error instanceof BackplaneUnavailable)) throw error;
      return new Refusal('unavailable', `${SYSTEM.subscribe}: the backplane did not answer, try again`);
    } finally {
      members?.release();
    }
  }

  #unsubscribe(connection: Connection, message: Message): { channel: string } | Refusal {
    const channel = channelOf(message);
    if (channel instanceof Refusal) return channel;
    // Without it the user could no longer be reached, and nobody would know why.
    if (channel === userChannel(connection.session.user))
      return new Refusal('forbidden', "a user's own channel is the server's to give and take");
    this.#options.channels.leave(connection, channel);
    return { channel };
  }

  // Once it is announced its place among the connection's publications is settled: the next one need not wait for the outcome.
  async #publish(connection: Connection, message: Message): Promise<UnderWay | Refusal> {
    const wanted = publicationOf(message);
    if (wanted instanceof Refusal) return wanted;
    const allowed = await this.#options.access.publish({ connection, ...wanted });
    if (allowed instanceof Refusal) return allowed;
    return new UnderWay(this.#announce(connection, { ...wanted, data: allowed.data }));
  }

  async #announce(connection: Connection, wanted: WantedPublication): Promise<PublishReply | Refusal> {
    const { channel, event, data, idempotencyKey } = wanted;
    const frame: PublicationFrame = { event, channel, data, from: connection.session.user };
    const outcome = await this.#options.publisher.publish({
      channel,
      frame,
      idempotencyKey: scopedKey(connection, idempotencyKey),
    });
    if (!outcome.ok) return new Refusal(outcome.error.code, outcome.error.message);
    const { epoch, offset } = outcome;
    return { channel, ...(epoch !== undefined && { epoch }), ...(offset !== undefined && { offset }) };
  }
}

// Who is in a channel and asks who else is there was asked for already: clients do so behind each subscription.
function isWatch({ channels }: Connection, { channel, presence, position }: WantedSubscription): boolean {
  return presence && position === undefined && channels.has(channel);
}

// Its own channel, which the server gave, is nothing that the client asked for; nor are those that it can't name.
function channelsOf({ channels, session }: Connection, max: number): number {
  if (channels.size < max) return channels.size;
  const own = userChannel(session.user);
  return channels.toArray().filter((channel) => channel !== own && !isInternal(channel)).length;
}

// One user's keys can't silence another's publications, nor a backend's: `$from:` and the user as one segment set them apart.
function scopedKey({ session }: Connection, key: string | undefined): string | undefined {
  return key === undefined ? undefined : `$from:${encodeSegment(session.user)}:${key}`;
}

/** Sends what a subscription begins with. */
export type SubscribeAnswer = (beginning: Beginning, members: PresenceSet | undefined) => void;

export interface WantedSubscription {
  readonly channel: string;
  readonly position?: Position;
  /** Whether it wants to hear who comes and goes. */
  readonly presence: boolean;
}

function subscriptionOf(message: Message): WantedSubscription | Refusal {
  const channel = channelOf(message);
  if (channel instanceof Refusal) return channel;
  const { position, presence = false } = fieldsOf(message);
  if (typeof presence !== 'boolean') return new Refusal('invalid', 'data.presence must be true or false');
  if (position !== undefined && !isPosition(position))
    return new Refusal('invalid', 'data.position must be {epoch, offset}');
  if (message.id === undefined && (position !== undefined || presence))
    return new Refusal(
      'invalid',
      'a position, and presence, need an id: what follows goes on from the reply',
    );
  return { channel, presence, ...(position !== undefined && { position }) };
}

interface WantedPublication {
  readonly channel: string;
  readonly event: string;
  readonly data: unknown;
  readonly idempotencyKey?: string;
}

function publicationOf(message: Message): WantedPublication | Refusal {
  const channel = channelOf(message);
  if (channel instanceof Refusal) return channel;
  const { event, data, idempotencyKey } = fieldsOf(message);
  if (!isEventName(event))
    return new Refusal('invalid', `data.event must be 1-${LIMITS.eventBytes} bytes and not start with $`);
  if (idempotencyKey === undefined) return { channel, event, data };
  if (
    typeof idempotencyKey !== 'string' ||
    idempotencyKey === '' ||
    utf8Length(idempotencyKey) > LIMITS.idempotencyKeyBytes
  )
    return new Refusal(
      'invalid',
      `data.idempotencyKey must be a string of 1-${LIMITS.idempotencyKeyBytes} bytes`,
    );
  return { channel, event, data, idempotencyKey };
}

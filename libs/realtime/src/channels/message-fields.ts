import { isChannelName, type Message } from '@aerie/protocol';
import { Refusal } from '../refusal.js';

/** The fields of a message's data; none where that is no object. */
export function fieldsOf({ data }: Message): Readonly<Record<string, unknown>> {
  return typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : {};
}

/** The channel that a message names. */
export function channelOf(message: Message): string | Refusal {
  const { channel } = fieldsOf(message);
  return isChannelName(channel) ? channel : new Refusal('invalid', 'data.channel must be a channel name');
}

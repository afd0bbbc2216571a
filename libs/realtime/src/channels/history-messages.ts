import { type HistoryReply, LIMITS, type Message, SYSTEM } from '@aerie/protocol';
import type { Connection } from '../connections/connection.js';
import type { ChannelHistories } from '../history/channel-histories.js';
import type { SystemHandlers } from '../messages/message-handlers.js';
import { Refusal } from '../refusal.js';
import type { ChannelAccess } from './channel-access.js';
import { channelOf, fieldsOf } from './message-fields.js';

export interface HistoryMessagesOptions {
  readonly access: ChannelAccess;
  readonly histories: ChannelHistories;
}

/** `$history`: pages for whoever may subscribe. */
export class HistoryMessages {
  readonly #options: HistoryMessagesOptions;

  constructor(options: HistoryMessagesOptions) {
    this.#options = options;
  }

  register(handlers: SystemHandlers): void {
    handlers.set(SYSTEM.history, (connection, message) => this.#history(connection, message));
  }

  async #history(connection: Connection, message: Message): Promise<HistoryReply | Refusal> {
    const channel = channelOf(message);
    if (channel instanceof Refusal) return channel;
    const { after, limit = LIMITS.historyPage } = fieldsOf(message);
    if (after !== undefined && !isWholeFrom(0, after))
      return new Refusal('invalid', 'data.after must be an offset: a whole number from 0');
    if (!isWholeFrom(1, limit) || limit > LIMITS.historyPage)
      return new Refusal('invalid', `data.limit must be 1-${LIMITS.historyPage}`);
    const refusal = await this.#options.access.subscribe({ connection, channel });
    if (refusal !== undefined) return refusal;
    const outcome = await this.#options.histories.page(channel, { after, limit });
    if (!outcome.ok) return new Refusal(outcome.error.code, outcome.error.message);
    const { epoch, offset, publications } = outcome;
    return { channel, epoch, offset, publications };
  }
}

function isWholeFrom(min: number, value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= min;
}

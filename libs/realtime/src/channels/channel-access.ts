import { isUserChannel, userChannel } from '@aerie/protocol';
import type { Connection } from '../connections/connection.js';
import { Refusal } from '../refusal.js';
import type { PublishVerdict } from './channel-rule.js';
import type { ChannelRules, MatchedRule } from './channel-rules.js';

interface Asking {
  readonly connection: Connection;
  readonly channel: string;
}

/**
 * Asks the rules. A channel that does not exist and one that is forbidden answer alike, so that names can't be probed. A
 * user's own channel is open to its owner for reading, and to nobody for publishing.
 */
export class ChannelAccess {
  constructor(private readonly rules: ChannelRules) {}

  async subscribe({ connection, channel }: Asking): Promise<Refusal | undefined> {
    const { session } = connection;
    if (isUserChannel(channel)) return channel === userChannel(session.user) ? undefined : forbidden();
    const matched = this.rules.match(channel);
    if (matched === undefined) return forbidden();
    const allowed = await matched.rule.maySubscribe({ session, connection, channel, params: matched.params });
    if (!(allowed instanceof Refusal)) return allowed ? undefined : forbidden();
    return TELLING.has(allowed.code) ? forbidden() : allowed;
  }

  /** The data to publish, or the refusal. */
  async publish(
    asking: Asking & { readonly event: string; readonly data: unknown },
  ): Promise<Refusal | { data: unknown }> {
    if (isUserChannel(asking.channel)) return forbidden();
    const matched = this.rules.match(asking.channel);
    if (matched === undefined) return forbidden();
    const verdict = await this.#verdict(asking, matched);
    if (verdict instanceof Refusal) return verdict;
    if (verdict === true) return { data: asking.data };
    return verdict === false ? forbidden() : verdict;
  }

  #verdict(
    asking: Asking & { event: string; data: unknown },
    { rule, params }: MatchedRule,
  ): Promise<PublishVerdict> | PublishVerdict {
    const { connection, channel, event, data } = asking;
    return rule.mayPublish({ session: connection.session, connection, channel, params, event, data });
  }
}

/** A rule's own words for these would tell a channel that there is from one that there isn't. */
const TELLING = new Set<string>(['forbidden', 'not_found']);

function forbidden(): Refusal {
  return new Refusal('forbidden', 'no such channel, or not allowed');
}

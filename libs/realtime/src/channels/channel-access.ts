import { isUserChannel, userChannel } from '@aerie/protocol';
import type { Connection } from '../connections/connection.js';
import { expectedError } from '../expected-error.js';
import type { Visitor } from '../handshake/visitor.js';
import { Refusal } from '../refusal.js';
import type { ChannelRequest, ChannelRule, PublishVerdict } from './channel-rule.js';
import type { ChannelRules, MatchedRule } from './channel-rules.js';

/** Who asks: a connection, or a visitor who has none. */
type Asker = { readonly connection: Connection } | { readonly visitor: Visitor };

interface Publishing {
  readonly connection: Connection;
  readonly channel: string;
  readonly event: string;
  readonly data: unknown;
}

/**
 * Asks the rules. A channel that does not exist and one that is forbidden answer alike, so that names can't be probed. A
 * user's own channel is open to its owner for reading, and to nobody for publishing.
 */
export class ChannelAccess {
  constructor(private readonly rules: ChannelRules) {}

  /** Whether somebody may read a channel: live, or its history. */
  async subscribe(asking: Asker & { readonly channel: string }): Promise<Refusal | undefined> {
    const { channel } = asking;
    const { session } = 'visitor' in asking ? asking.visitor : asking.connection;
    if (isUserChannel(channel)) return channel === userChannel(session.user) ? undefined : forbidden();
    const matched = this.rules.match(channel);
    if (matched === undefined) return forbidden();
    const allowed = await verdictOf(matched.rule, { ...asking, session, params: matched.params });
    if (!(allowed instanceof Refusal)) return allowed ? undefined : forbidden();
    return TELLING.has(allowed.code) ? forbidden() : allowed;
  }

  /** The data to publish, or the refusal. */
  async publish(asking: Publishing): Promise<Refusal | { data: unknown }> {
    if (isUserChannel(asking.channel)) return forbidden();
    const matched = this.rules.match(asking.channel);
    if (matched === undefined) return forbidden();
    const verdict = await this.#verdict(asking, matched);
    if (verdict instanceof Refusal) return verdict;
    if (verdict === true) return { data: asking.data };
    return verdict === false ? forbidden() : verdict;
  }

  #verdict(asking: Publishing, { rule, params }: MatchedRule): Promise<PublishVerdict> | PublishVerdict {
    const { connection, channel, event, data } = asking;
    return rule.mayPublish({ session: connection.session, connection, channel, params, event, data });
  }
}

/** A rule's own words for these would tell a channel that there is from one that there isn't. */
const TELLING = new Set<string>(['forbidden', 'not_found']);

// A guard says no by an exception: as a value it is the same to every transport.
async function verdictOf(rule: ChannelRule, request: ChannelRequest): Promise<boolean | Refusal> {
  try {
    return await rule.maySubscribe(request);
  } catch (error) {
    const expected = expectedError(error);
    if (expected === undefined) throw error;
    const { code, message, details } = expected;
    return new Refusal(code, message, { details });
  }
}

function forbidden(): Refusal {
  return new Refusal('forbidden', 'no such channel, or not allowed');
}

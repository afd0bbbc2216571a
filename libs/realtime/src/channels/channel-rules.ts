import { isUserChannel } from '@aerie/protocol';
import { ChannelPattern } from './channel-pattern.js';
import type { ChannelRule } from './channel-rule.js';

export interface MatchedRule {
  readonly rule: ChannelRule;
  readonly params: Readonly<Record<string, string>>;
}

interface Entry {
  readonly pattern: ChannelPattern;
  readonly rule: ChannelRule;
}

/** The node's channel rules. The most specific pattern decides; a channel without a rule exists for nobody. */
export class ChannelRules {
  #entries: readonly Entry[] = [];

  /** Throws for a pattern that stands already, for one under `user:` (built in), and for a policy that history excludes. */
  add(rule: ChannelRule): void {
    const pattern = new ChannelPattern(rule.pattern);
    if (isUserChannel(rule.pattern)) throw new Error(`channel pattern "${rule.pattern}": user: is built in`);
    if (this.#entries.some((entry) => entry.pattern.shape === pattern.shape))
      throw new Error(`channel pattern "${rule.pattern}" has a rule already`);
    if (rule.history !== undefined && rule.slow !== undefined && rule.slow !== 'disconnect')
      throw new Error(`channel pattern "${rule.pattern}": slow "${rule.slow}" can't have history`);
    this.#entries = [...this.#entries, { pattern, rule }].toSorted(
      (a, b) => b.pattern.weight - a.pattern.weight,
    );
  }

  match(channel: string): MatchedRule | undefined {
    for (const { pattern, rule } of this.#entries) {
      const params = pattern.match(channel);
      if (params !== undefined) return { rule, params };
    }
    return undefined;
  }
}

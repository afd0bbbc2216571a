import { isUserChannel } from '@aerie/protocol';
import type { HistoryLimits } from '../history/history.js';
import { isInternal } from '../publishing/internal-channels.js';
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

/** Past it all of them are found anew. */
const MAX_MATCHED = 10_000;
const MAX_SIZE = 100_000;
const MIN_TTL_MS = 1_000;
const MAX_TTL_MS = 30 * 86_400_000;

/** The node's channel rules. The most specific pattern decides; a channel without a rule exists for nobody. */
export class ChannelRules {
  #entries: readonly Entry[] = [];
  /** What was found lately: each publication asks several times. */
  readonly #matched = new Map<string, MatchedRule>();
  readonly #userHistory: HistoryLimits | undefined;
  #keepsHistory: boolean;
  #keepsPresence = false;

  /** @param userHistory How much of each user's own channel is kept. Default: nothing. */
  constructor(userHistory?: HistoryLimits) {
    assertLimits('user:{id}', userHistory);
    this.#userHistory = userHistory;
    this.#keepsHistory = userHistory !== undefined;
  }

  /** Whether any channel has a history. */
  get keepsHistory(): boolean {
    return this.#keepsHistory;
  }

  /**
   * Throws for a pattern that stands already, for one under `user:` (built in), for a policy that history excludes, and for
   * a history out of bounds.
   */
  add(rule: ChannelRule): void {
    const pattern = new ChannelPattern(rule.pattern);
    if (isUserChannel(rule.pattern)) throw new Error(`channel pattern "${rule.pattern}": user: is built in`);
    if (this.#entries.some((entry) => entry.pattern.shape === pattern.shape))
      throw new Error(`channel pattern "${rule.pattern}" has a rule already`);
    if (rule.history !== undefined && rule.slow !== undefined && rule.slow !== 'disconnect')
      throw new Error(`channel pattern "${rule.pattern}": slow "${rule.slow}" can't have history`);
    assertLimits(rule.pattern, rule.history);
    this.#matched.clear();
    this.#keepsHistory ||= rule.history !== undefined;
    this.#keepsPresence ||= rule.presence === true;
    this.#entries = [...this.#entries, { pattern, rule }].toSorted(
      (a, b) => b.pattern.weight - a.pattern.weight,
    );
  }

  /** How much of a channel is kept; undefined: nothing. */
  historyOf(channel: string): HistoryLimits | undefined {
    if (!this.#keepsHistory) return undefined;
    return isUserChannel(channel) ? this.#userHistory : this.match(channel)?.rule.history;
  }

  /** Whether it is known who is in a channel. */
  hasPresence(channel: string): boolean {
    if (!this.#keepsPresence || isUserChannel(channel) || isInternal(channel)) return false;
    return this.match(channel)?.rule.presence === true;
  }

  match(channel: string): MatchedRule | undefined {
    const known = this.#matched.get(channel);
    if (known !== undefined) return known;
    const found = this.#find(channel);
    if (found === undefined) return undefined;
    if (this.#matched.size >= MAX_MATCHED) this.#matched.clear();
    this.#matched.set(channel, found);
    return found;
  }

  #find(channel: string): MatchedRule | undefined {
    for (const { pattern, rule } of this.#entries) {
      const params = pattern.match(channel);
      if (params !== undefined) return { rule, params: Object.freeze(params) };
    }
    return undefined;
  }
}

function assertLimits(pattern: string, limits: HistoryLimits | undefined): void {
  if (limits === undefined) return;
  const { size, ttlMs } = limits;
  if (!isWithin(size, 1, MAX_SIZE) || !isWithin(ttlMs, MIN_TTL_MS, MAX_TTL_MS))
    throw new Error(
      `channel pattern "${pattern}": history is a size of 1-100,000 and a ttlMs of 1,000 to 30 days`,
    );
}

function isWithin(value: number, min: number, max: number): boolean {
  return Number.isSafeInteger(value) && value >= min && value <= max;
}

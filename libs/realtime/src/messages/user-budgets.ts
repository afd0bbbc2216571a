import type { MessageLimits } from './message-stream.js';
import { TokenBucket } from './token-bucket.js';

/** Past it the budget that was used longest ago is forgotten, most likely full again. */
const MAX_USERS = 10_000;

/** The message budgets of those who ask by plain requests: without a connection that would have one, each user has one on each node. */
export class UserBudgets {
  readonly #limits: Pick<MessageLimits, 'messagesPerSecond' | 'burst'>;
  readonly #byUser = new Map<string, TokenBucket>();

  constructor(limits: Pick<MessageLimits, 'messagesPerSecond' | 'burst'>) {
    this.#limits = limits;
  }

  /** Whether a user may ask once more. A "no" costs nothing. */
  take(user: string): boolean {
    const { messagesPerSecond, burst } = this.#limits;
    const budget = this.#byUser.get(user) ?? new TokenBucket(messagesPerSecond, burst);
    this.#byUser.delete(user);
    this.#byUser.set(user, budget);
    this.#forgetOldest();
    return budget.takeIfThere(1);
  }

  #forgetOldest(): void {
    const [oldest] = this.#byUser.size > MAX_USERS ? this.#byUser.keys() : [];
    if (oldest !== undefined) this.#byUser.delete(oldest);
  }
}

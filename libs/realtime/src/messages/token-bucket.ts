/** A budget that refills steadily: `perSecond` tokens a second, at most `burst` at once. */
export class TokenBucket {
  #tokens: number;
  #filledAt = performance.now();

  constructor(
    private readonly perSecond: number,
    private readonly burst: number,
  ) {
    this.#tokens = burst;
  }

  /** Takes `cost` tokens; false, taking them all the same, if there were not enough. */
  take(cost: number): boolean {
    const now = performance.now();
    this.#tokens = Math.min(this.burst, this.#tokens + ((now - this.#filledAt) / 1000) * this.perSecond);
    this.#filledAt = now;
    this.#tokens -= cost;
    return this.#tokens >= 0;
  }

  /** Takes `cost` tokens, or none if there are not enough. */
  takeIfThere(cost: number): boolean {
    if (this.take(cost)) return true;
    this.#tokens += cost;
    return false;
  }
}

interface RecentKeysOptions {
  readonly lifeMs: number;
  /** Past it the oldest keys are forgotten first. */
  readonly maxKeys: number;
}

/** Remembers keys for a while. All live equally long, so the oldest always stands first. */
export class RecentKeys {
  readonly #expiresAt = new Map<string, number>();
  readonly #options: RecentKeysOptions;

  constructor(options: RecentKeysOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#expiresAt.size;
  }

  /** Remembers a key; false where it was still known, and its time then goes on as it was. */
  add(key: string): boolean {
    const now = performance.now();
    this.#forgetExpired(now);
    if (this.#expiresAt.has(key)) return false;
    this.#expiresAt.set(key, now + this.#options.lifeMs);
    if (this.#expiresAt.size > this.#options.maxKeys) this.#forgetOldest();
    return true;
  }

  #forgetExpired(now: number): void {
    for (const [key, expiresAt] of this.#expiresAt) {
      if (expiresAt > now) return;
      this.#expiresAt.delete(key);
    }
  }

  #forgetOldest(): void {
    for (const key of this.#expiresAt.keys()) {
      this.#expiresAt.delete(key);
      return;
    }
  }
}

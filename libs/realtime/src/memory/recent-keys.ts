interface RecentKeysOptions {
  readonly lifeMs: number;
  /** Past it the oldest keys are forgotten first. */
  readonly maxKeys: number;
}

interface Known<Value> {
  readonly value: Value;
  readonly expiresAt: number;
}

/** Remembers keys for a while, and what came of the first time. All live equally long, so the oldest always stands first. */
export class RecentKeys<Value = undefined> {
  readonly #known = new Map<string, Known<Value>>();
  readonly #options: RecentKeysOptions;

  constructor(options: RecentKeysOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#known.size;
  }

  /** What a key stands for where it is still known; its time goes on as it was. */
  get(key: string): Known<Value> | undefined {
    this.#forgetExpired(performance.now());
    return this.#known.get(key);
  }

  /** Remembers a new key. */
  add(key: string, value: Value): void {
    this.#known.set(key, { value, expiresAt: performance.now() + this.#options.lifeMs });
    if (this.#known.size > this.#options.maxKeys) this.#forgetOldest();
  }

  forget(key: string): void {
    this.#known.delete(key);
  }

  #forgetExpired(now: number): void {
    for (const [key, { expiresAt }] of this.#known) {
      if (expiresAt > now) return;
      this.#known.delete(key);
    }
  }

  #forgetOldest(): void {
    for (const key of this.#known.keys()) {
      this.#known.delete(key);
      return;
    }
  }
}

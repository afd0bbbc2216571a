/** Something that began and should end. */
export interface Due {
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  /** It did not end in time; called once. */
  tooLate(): void;
}

/**
 * One deadline for many: what began first is due first, so that one timer serves all of them, and beginning and ending cost a
 * set's add and delete.
 */
export class Deadlines {
  readonly #waiting = new Set<Due>();
  #isArmed = false;

  /** @param ms How long each may take. */
  constructor(private readonly ms: number) {}

  /** In the order in which they began. */
  begin(due: Due): void {
    this.#waiting.add(due);
    if (!this.#isArmed) this.#arm(this.ms);
  }

  end(due: Due): void {
    this.#waiting.delete(due);
  }

  /**
   * What `work` comes to, or what `late` says where it takes longer. The work itself goes on: its outcome is unknown from then
   * on.
   */
  within<Outcome, Late>(work: Promise<Outcome>, late: () => Late): Promise<Outcome | Late> {
    return new Promise((resolve, reject) => {
      const due: Due = { startedAt: performance.now(), tooLate: () => resolve(late()) };
      this.begin(due);
      const ending =
        <Value>(settle: (value: Value) => void) =>
        (value: Value): void => {
          this.end(due);
          settle(value);
        };
      work.then(ending(resolve), ending(reject));
    });
  }

  #arm(waitMs: number): void {
    this.#isArmed = true;
    setTimeout(() => this.#expire(), waitMs).unref();
  }

  #expire(): void {
    this.#isArmed = false;
    const now = performance.now();
    for (const due of this.#waiting) {
      const leftMs = due.startedAt + this.ms - now;
      if (leftMs > 0) {
        if (!this.#isArmed) this.#arm(Math.ceil(leftMs));
        return;
      }
      this.#waiting.delete(due);
      due.tooLate();
    }
  }
}

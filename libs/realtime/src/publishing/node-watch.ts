const ASK_EVERY_MS = 2_000;

/** Whether a node gave a sign of life. Resolves within two seconds, and never rejects. */
export type AskNode = (node: string) => Promise<boolean>;

interface Watched {
  readonly waiting: Set<() => void>;
  readonly timer: NodeJS.Timeout;
}

/** Asks nodes that somebody waits for whether they live: one question for all who wait, as nothing else tells of a death so soon. */
export class NodeWatch {
  readonly #ask: AskNode;
  readonly #watched = new Map<string, Watched>();

  constructor(ask: AskNode) {
    this.#ask = ask;
  }

  /** Calls `silent` when the node does not answer. The returned function ends the wait. */
  wait(node: string, silent: () => void): () => void {
    const { waiting, timer } = this.#watched.get(node) ?? this.#begin(node);
    waiting.add(silent);
    return () => {
      waiting.delete(silent);
      if (waiting.size > 0) return;
      clearInterval(timer);
      if (this.#watched.get(node)?.waiting === waiting) this.#watched.delete(node);
    };
  }

  #begin(node: string): Watched {
    const waiting = new Set<() => void>();
    const timer = setInterval(() => void this.#look(node, waiting), ASK_EVERY_MS).unref();
    const watched = { waiting, timer };
    this.#watched.set(node, watched);
    return watched;
  }

  async #look(node: string, waiting: ReadonlySet<() => void>): Promise<void> {
    const waitedFor = [...waiting];
    if (await this.#ask(node)) return;
    // Who began to wait meanwhile has the next look.
    for (const silent of waitedFor) if (waiting.has(silent)) silent();
  }
}

/** How often a node that owes an answer is asked for a sign of life. */
const PULSE_MS = 1_000;
/** How long it may show none. */
const SILENT_MS = 4_000;
/** Nodes of which something is remembered while none of them owes anything. */
const MAX_REMEMBERED = 1_000;

export interface NodePulseOptions {
  /** Asks a node for a sign of life. */
  readonly ask: (node: string) => void;
  /** A node shows none: nothing that it owes will come. */
  readonly onSilent: (node: string) => void;
}

interface Watched {
  owed: number;
  /** Monotonic milliseconds. */
  heardAt: number;
  tickedAt: number;
  readonly timer: NodeJS.Timeout;
}

/**
 * Whether the nodes that owe an answer are still there. An answer may take its time, a sign of life may not: who waits for a node
 * that died learns of it within some seconds, however long the answer might have taken. A node that never showed one has the
 * time that its answer may take.
 */
export class NodePulse {
  readonly #options: NodePulseOptions;
  readonly #watched = new Map<string, Watched>();
  /** Have shown one, and are held to it: nodes of an older release never do. */
  readonly #able = new Set<string>();
  /** Were silent the last time: one pulse is enough for them to show that they are back, or not. */
  readonly #silent = new Set<string>();

  constructor(options: NodePulseOptions) {
    this.#options = options;
  }

  /** A node owes one answer more. */
  owes(node: string): void {
    const watched = this.#watched.get(node) ?? this.#watch(node);
    watched.owed += 1;
  }

  /** One of them came, or is no longer waited for. */
  settled(node: string): void {
    const watched = this.#watched.get(node);
    if (watched === undefined) return;
    watched.owed -= 1;
    if (watched.owed > 0) return;
    clearInterval(watched.timer);
    this.#watched.delete(node);
  }

  /** A node showed the sign of life that it was asked for. */
  shown(node: string): void {
    remember(this.#able, node);
    this.heard(node);
  }

  /** Something came from a node. */
  heard(node: string): void {
    this.#silent.delete(node);
    const watched = this.#watched.get(node);
    if (watched !== undefined) watched.heardAt = performance.now();
  }

  #watch(node: string): Watched {
    const now = performance.now();
    const wasSilent = this.#silent.has(node);
    const timer = setInterval(() => this.#tick(node), PULSE_MS).unref();
    const heardAt = wasSilent ? now - SILENT_MS : now;
    const watched = { owed: 0, heardAt, tickedAt: now, timer };
    this.#watched.set(node, watched);
    if (wasSilent || !this.#able.has(node)) this.#options.ask(node);
    return watched;
  }

  #tick(node: string): void {
    const watched = this.#watched.get(node);
    if (watched === undefined) return;
    const now = performance.now();
    // Late: we stood still ourselves, and what came meanwhile is not read yet.
    if (now - watched.tickedAt > 2 * PULSE_MS) watched.heardAt = now;
    watched.tickedAt = now;
    if (now - watched.heardAt < SILENT_MS || !this.#able.has(node)) this.#options.ask(node);
    else this.#gaveUp(node);
  }

  #gaveUp(node: string): void {
    remember(this.#silent, node);
    this.#options.onSilent(node);
  }
}

function remember(nodes: Set<string>, node: string): void {
  if (nodes.size >= MAX_REMEMBERED) nodes.clear();
  nodes.add(node);
}

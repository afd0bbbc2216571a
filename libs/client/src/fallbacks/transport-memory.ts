/** The part of `localStorage` that is used. */
export type TransportStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

interface MemoryOptions {
  readonly storage: TransportStorage;
  readonly preferMs: number;
}

/** Of this process: an application has few servers, whoever has many more begins with the WebSocket each time. */
const MAX_KEPT = 100;
const kept = new Map<string, string>();
const PROCESS: TransportStorage = {
  getItem: (key) => kept.get(key) ?? null,
  setItem: (key, value) => void ((kept.size < MAX_KEPT || kept.has(key)) && kept.set(key, value)),
  removeItem: (key) => void kept.delete(key),
};

/** The page's storage, where it has one and lets it be used. */
export function defaultStorage(): TransportStorage {
  try {
    // Node has a `localStorage` as well, and warns of it.
    return (globalThis.document && globalThis.localStorage) ?? PROCESS;
  } catch {
    return PROCESS;
  }
}

/** A moment's trouble of a server or a proxy looks like a network that lets no WebSocket through. */
const FIRST_MS = 60_000;
const GROWTH = 5;

interface Remembered {
  readonly name: string;
  readonly until: number;
  /** For how long. */
  readonly ms: number;
}

/**
 * Which transport worked for one address where the WebSocket had failed. Preferred for a minute at first, five times as long each
 * time the WebSocket has failed again since, at most for `preferMs`; forgotten when a WebSocket works, or nobody asked for as long.
 */
export class TransportMemory {
  readonly #key: string;
  readonly #options: MemoryOptions;

  constructor(address: string, options: MemoryOptions) {
    this.#key = `aerie:transport:${address}`;
    this.#options = options;
  }

  recall(): string | undefined {
    const { name, until = 0, ms = 0 } = this.#read() ?? {};
    const leftMs = until - Date.now();
    // More is left than there ever was where the clock was set back.
    return leftMs > 0 && leftMs <= ms ? name : undefined;
  }

  /** The WebSocket failed, and this one works. */
  remember(name: string): void {
    const { preferMs } = this.#options;
    const before = this.#read();
    const isRecent = before && before.until + preferMs > Date.now();
    const ms = Math.min(preferMs, isRecent ? before.ms * GROWTH : FIRST_MS);
    this.#write(`${name} ${Date.now() + ms} ${ms}`);
  }

  forget(): void {
    try {
      this.#options.storage.removeItem(this.#key);
    } catch {
      // What can't be written holds nothing either.
    }
  }

  #read(): Remembered | undefined {
    try {
      const [name, until, ms] = this.#options.storage.getItem(this.#key)?.split(' ') ?? [];
      return name && Number(until) && Number(ms) ? { name, until: Number(until), ms: Number(ms) } : undefined;
    } catch {
      return undefined;
    }
  }

  #write(value: string): void {
    try {
      this.#options.storage.setItem(this.#key, value);
    } catch {
      // A full or forbidden storage only costs the memory.
    }
  }
}

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

/** Which transport worked for one address instead of the WebSocket, for as long as it is to be preferred. */
export class TransportMemory {
  readonly #key: string;
  readonly #options: MemoryOptions;

  constructor(address: string, options: MemoryOptions) {
    this.#key = `aerie:transport:${address}`;
    this.#options = options;
  }

  recall(): string | undefined {
    const [name, until] = (this.#read() ?? '').split(' ');
    return name && Number(until) > Date.now() ? name : undefined;
  }

  /** The first one remembered sets the time: to connect again does not prolong it. */
  remember(name: string): void {
    if (this.recall() !== name) this.#write(`${name} ${Date.now() + this.#options.preferMs}`);
  }

  forget(): void {
    try {
      this.#options.storage.removeItem(this.#key);
    } catch {
      // What can't be written holds nothing either.
    }
  }

  #read(): string | null {
    try {
      return this.#options.storage.getItem(this.#key);
    } catch {
      return null;
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

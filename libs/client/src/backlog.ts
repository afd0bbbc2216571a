import { failure } from './errors.js';
import { onAbort } from './on-abort.js';

/** So many wait for one of several readers. */
const MAX_UNREAD = 1_000;

/** What waits for one reader, in order. */
export interface Backlog<Item> {
  push(item: Item): void;
  /** Nothing comes any more. The first end counts. */
  finish(): void;
  fail(error: unknown): void;
  read(): AsyncGenerator<Item, void, undefined>;
}

/** @param limit Past it the backlog ends as `overloaded`, behind what waits already. */
export function createBacklog<Item>(limit: number): Backlog<Item> {
  const items: Item[] = [];
  /** Undefined: it goes on. */
  let end: (() => void) | undefined;
  let wake: (() => void) | undefined;

  const finish = (how: () => void): void => {
    end ??= how;
    wake?.();
  };
  const fail = (error: unknown): void =>
    finish(() => {
      throw error;
    });
  return {
    push: (item) => {
      if (end) return;
      if (items.length === limit) return fail(failure('overloaded', 'Read slower than it arrives'));
      items.push(item);
      wake?.();
    },
    finish: () => finish(() => undefined),
    fail,
    read: async function* () {
      for (;;) {
        while (items.length > 0) yield items.shift() as Item;
        if (end) return end();
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}

/**
 * Reads as one of `readers` from now on, until something ends that one.
 * @param begin Sees to it that there is something to read; fails the reader where it fails.
 */
export async function* readAmong<Item>(
  readers: Set<Backlog<Item>>,
  begin: () => Promise<unknown>,
  signal?: AbortSignal,
): AsyncGenerator<Item, void, undefined> {
  const reader = createBacklog<Item>(MAX_UNREAD);
  const unlisten = onAbort(signal, reader.fail);
  readers.add(reader);
  begin().catch(reader.fail);
  try {
    yield* reader.read();
  } finally {
    readers.delete(reader);
    unlisten();
  }
}

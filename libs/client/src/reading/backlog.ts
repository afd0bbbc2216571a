import { failure } from '../errors.js';

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
      if (items.length === limit) return fail(failure('overloaded', 'read slower than it comes'));
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

import { failure } from './errors.js';

/** What waits for one reader, in order. Past the limit it ends as `overloaded`, behind what waits already. */
export class Backlog<Item> {
  readonly #limit: number;
  readonly #items: Item[] = [];
  #end: { readonly error?: unknown } | undefined;
  #wake: () => void = () => undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get ended(): boolean {
    return this.#end !== undefined;
  }

  push(item: Item): void {
    if (this.#end) return;
    if (this.#items.length < this.#limit) this.#items.push(item);
    else this.fail(failure('overloaded', 'Read slower than it arrives'));
    this.#wake();
  }

  /** Nothing comes any more. The first end counts. */
  finish(): void {
    this.#finish({});
  }

  fail(error: unknown): void {
    this.#finish({ error });
  }

  async *read(): AsyncGenerator<Item, void, undefined> {
    for (;;) {
      for (let item = this.#items.shift(); item !== undefined; item = this.#items.shift()) yield item;
      if (this.#end && 'error' in this.#end) throw this.#end.error;
      if (this.#end) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #finish(end: { readonly error?: unknown }): void {
    this.#end ??= end;
    this.#wake();
  }
}

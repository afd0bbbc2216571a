/** What can be asked of a set that changes under its owner's hands only. */
export interface Members<Item> extends Iterable<Item> {
  readonly size: number;
  has(item: Item): boolean;
  toArray(): Item[];
}

/** A set that costs a `Set` only from its second member on: most users have one connection, most connections one channel. */
export class SmallSet<Item extends string | object> implements Members<Item> {
  #only: Item | undefined;
  #all: Set<Item> | undefined;

  get size(): number {
    return this.#all?.size ?? (this.#only === undefined ? 0 : 1);
  }

  has(item: Item): boolean {
    return this.#all?.has(item) ?? this.#only === item;
  }

  add(item: Item): void {
    if (this.#all !== undefined) this.#all.add(item);
    else if (this.#only === undefined) this.#only = item;
    else if (this.#only !== item) {
      this.#all = new Set([this.#only, item]);
      this.#only = undefined;
    }
  }

  /** False if it was not in. */
  delete(item: Item): boolean {
    if (this.#all !== undefined) return this.#all.delete(item);
    if (this.#only !== item) return false;
    this.#only = undefined;
    return true;
  }

  toArray(): Item[] {
    if (this.#all !== undefined) return [...this.#all];
    return this.#only === undefined ? [] : [this.#only];
  }

  /** Walks what is in, as a `Set` does: members may be deleted on the way. */
  [Symbol.iterator](): Iterator<Item> {
    return (this.#all ?? this.toArray())[Symbol.iterator]();
  }
}

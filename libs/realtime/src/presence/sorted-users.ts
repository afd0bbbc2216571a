/** Users, each once, in the order of JavaScript's strings: one more or less, and a page of many, cost little. */
export class SortedUsers {
  readonly #users: string[];

  /** @param users Each once. */
  constructor(users: readonly string[] = []) {
    this.#users = users.toSorted();
  }

  get size(): number {
    return this.#users.length;
  }

  has(user: string): boolean {
    return this.#users[this.#placeOf(user)] === user;
  }

  add(user: string): void {
    const place = this.#placeOf(user);
    if (this.#users[place] !== user) this.#users.splice(place, 0, user);
  }

  delete(user: string): void {
    const place = this.#placeOf(user);
    if (this.#users[place] === user) this.#users.splice(place, 1);
  }

  /** Up to `count` of those behind `after`, or of all. */
  behind(after: string | undefined, count: number): readonly string[] {
    const place = after === undefined ? 0 : this.#placeOf(after);
    const from = after !== undefined && this.#users[place] === after ? place + 1 : place;
    return this.#users.slice(from, from + count);
  }

  /** Where it stands, or would. */
  #placeOf(user: string): number {
    let [low, high] = [0, this.#users.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#users[middle] ?? '') < user) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

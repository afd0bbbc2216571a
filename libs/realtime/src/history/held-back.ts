import type { Connection } from '../connections/connection.js';
import type { Members } from '../connections/small-set.js';

/** Members of channels that must hear of a loss before they get anything more. */
export class HeldBack {
  readonly #byChannel = new Map<string, ReadonlySet<Connection>>();

  set(channel: string, members: ReadonlySet<Connection>): void {
    this.#byChannel.set(channel, members);
  }

  clear(channel: string): void {
    this.#byChannel.delete(channel);
  }

  /** The members of a channel but those that are held back. */
  without(channel: string, members: Members<Connection>): readonly Connection[] {
    const held = this.#byChannel.get(channel);
    const all = members.toArray();
    return held === undefined ? all : all.filter((member) => !held.has(member));
  }
}

import type { PendingList } from '../sessions/write-behind.js';
import type { PresenceChange, PresenceEntering, PresenceLeaving } from './presence-store.js';

/** An end that is not written yet: the grace runs from the end on, not from the writing. */
export type LeftChannel = Omit<PresenceLeaving, 'graceMs'> & {
  /** Monotonic milliseconds. */
  readonly graceEndsAt: number;
};

type Pending = {
  /** Whether the store may know the subscription already. */
  readonly known: boolean;
} & (PresenceEntering | LeftChannel);

/** Subscriptions whose latest state is not written yet; of each only that counts, and one that came and went is no news. */
export class PendingPresence implements PendingList<PresenceChange> {
  #changes = new Map<string, Pending>();

  get size(): number {
    return this.#changes.size;
  }

  /** @param known Whether the store may have it already. */
  enter(entering: PresenceEntering, known: boolean): void {
    const key = keyOf(entering);
    this.#changes.set(key, { ...entering, known: known || this.#changes.has(key) });
  }

  leave(left: LeftChannel): void {
    const key = keyOf(left);
    if (this.#changes.get(key)?.known === false) this.#changes.delete(key);
    else this.#changes.set(key, { ...left, known: true });
  }

  take(count: number): readonly PresenceChange[] {
    const taken = [...this.#changes].slice(0, count);
    for (const [key] of taken) this.#changes.delete(key);
    return taken.map(([, pending]) => changeOf(pending));
  }

  putBack(changes: readonly PresenceChange[]): void {
    const newer = this.#changes;
    this.#changes = new Map();
    for (const change of changes)
      if (change.type === 'enter') this.enter(change, true);
      else this.leave({ ...change, graceEndsAt: performance.now() + change.graceMs });
    for (const [key, pending] of newer)
      this.#changes.set(key, { ...pending, known: pending.known || this.#changes.has(key) });
  }

  forgetOldest(): boolean {
    for (const [key, { type }] of this.#changes) if (type === 'leave') return this.#changes.delete(key);
    return false;
  }

  forgetKnown(): void {
    for (const [key, { known }] of this.#changes) if (known) this.#changes.delete(key);
  }
}

function keyOf({ connection, channel }: { readonly connection: string; readonly channel: string }): string {
  return `${connection} ${channel}`;
}

function changeOf(pending: Pending): PresenceChange {
  const { channel, connection } = pending;
  if (pending.type === 'enter') return { type: 'enter', channel, connection, user: pending.user };
  const graceMs = Math.max(0, Math.round(pending.graceEndsAt - performance.now()));
  return { type: 'leave', channel, connection, graceMs };
}

import type { Entering, Leaving, SessionChange } from './session-registry.js';
import type { PendingList } from './write-behind.js';

/** An end that is not written yet: the grace runs from the end on, not from the writing. */
export type Left = Omit<Leaving, 'graceMs'> & {
  /** Monotonic milliseconds. */
  readonly graceEndsAt: number;
};

/** What the store does not know yet of one connection: that it came, that it went, or both. */
interface Pending {
  readonly enter?: Entering;
  readonly leave?: Left;
}

/** Changes of connections that are not written yet, by connection and in order: one that came and went is told of too. */
export class PendingChanges implements PendingList<SessionChange> {
  #changes = new Map<string, Pending>();

  get size(): number {
    return this.#changes.size;
  }

  /** One that was known already stays news while the first news of it are not written. */
  enter(entering: Entering): void {
    const { id } = entering.record;
    const again = entering.again && (this.#changes.get(id)?.enter?.again ?? true);
    this.#changes.set(id, { enter: { ...entering, again } });
  }

  leave(left: Left): void {
    this.#changes.set(left.connection, { ...this.#changes.get(left.connection), leave: left });
  }

  take(connections: number): readonly SessionChange[] {
    const changes: SessionChange[] = [];
    let taken = 0;
    for (const [id, pending] of this.#changes) {
      if (taken === connections) break;
      this.#changes.delete(id);
      changes.push(...changesOf(pending));
      taken += 1;
    }
    return changes;
  }

  putBack(changes: readonly SessionChange[]): void {
    const newer = this.#changes;
    this.#changes = new Map();
    for (const change of changes) {
      if (change.type === 'enter') this.enter(change);
      else this.leave({ ...change, graceEndsAt: performance.now() + change.graceMs });
    }
    for (const { enter, leave } of newer.values()) {
      if (enter !== undefined) this.enter(enter);
      if (leave !== undefined) this.leave(leave);
    }
  }

  forgetOldest(): boolean {
    for (const [id, { leave }] of this.#changes) if (leave !== undefined) return this.#changes.delete(id);
    return false;
  }

  forgetKnown(): void {
    for (const [id, { enter }] of this.#changes)
      if (enter === undefined || enter.again) this.#changes.delete(id);
  }
}

function changesOf({ enter, leave }: Pending): readonly SessionChange[] {
  const changes: SessionChange[] = enter === undefined ? [] : [enter];
  if (leave === undefined) return changes;
  const { graceEndsAt, ...rest } = leave;
  return [...changes, { ...rest, graceMs: Math.max(0, Math.round(graceEndsAt - performance.now())) }];
}

import type { Checked } from '../check-rounds.js';
import type { AnnouncedChange } from './presence-change.js';
import { PresenceReplica, type PresenceReplicaOptions } from './presence-replica.js';

/** One channel whose members somebody on this node sees. */
export class WatchedChannel implements Checked {
  readonly isReady = true;
  readonly replica: PresenceReplica;
  readonly #tellAll: (replica: PresenceReplica) => void;
  #lacking = false;
  /** Whether a change came since somebody looked. */
  active = false;

  /** @param tellAll Called where the set is another one, and no change had told that. */
  constructor(channel: string, options: PresenceReplicaOptions, tellAll: (replica: PresenceReplica) => void) {
    this.replica = new PresenceReplica(channel, options);
    this.#tellAll = tellAll;
  }

  /** Changes are missing, and not read yet; or members whom the store forgot did not come back. */
  get isStuck(): boolean {
    return this.#lacking || this.replica.isDoubtful || this.replica.hasOverdue;
  }

  /** True where it is the next change, for those who watch; what is missing before it is read anew. */
  take(change: AnnouncedChange): boolean {
    this.active = true;
    const outcome = this.replica.apply(change);
    // Where the reading fails, the node's rounds begin another.
    if (outcome === 'gap') void this.#readAnew().catch(() => undefined);
    return outcome === 'next';
  }

  async check(): Promise<void> {
    // A reading that was under way already may have been too early.
    if (this.#lacking) await this.#readAnew();
    if (!(await this.replica.isCurrent())) await this.#readAnew();
    if (!this.replica.hasOverdue) return;
    this.replica.dropOverdue();
    this.#tellAll(this.replica);
  }

  async #readAnew(): Promise<void> {
    this.#lacking = true;
    const isNews = await this.replica.read();
    if (this.#lacking && isNews) this.#tellAll(this.replica);
    this.#lacking = false;
  }
}

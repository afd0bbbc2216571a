import type { Checked } from '../check-rounds.js';
import type { AnnouncedChange } from './presence-change.js';
import { PresenceReplica } from './presence-replica.js';
import type { PresenceStore } from './presence-store.js';

/** One channel whose members somebody on this node sees. */
export class WatchedChannel implements Checked {
  readonly isReady = true;
  readonly replica: PresenceReplica;
  readonly #tellAll: (replica: PresenceReplica) => void;
  #lacking = false;
  /** Whether a change came since somebody looked. */
  active = false;

  /** @param tellAll Called where a reading brought what no change had told. */
  constructor(
    channel: string,
    store: Pick<PresenceStore, 'page'>,
    tellAll: (replica: PresenceReplica) => void,
  ) {
    this.replica = new PresenceReplica(channel, store);
    this.#tellAll = tellAll;
  }

  /** Changes before one that came are missing, and not read yet. */
  get isStuck(): boolean {
    return this.#lacking;
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
    if (this.#lacking || !(await this.replica.isCurrent())) await this.#readAnew();
  }

  async #readAnew(): Promise<void> {
    this.#lacking = true;
    const isNews = await this.replica.read();
    if (this.#lacking && isNews) this.#tellAll(this.replica);
    this.#lacking = false;
  }
}

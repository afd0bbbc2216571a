import type { Announcement } from '../publishing/backplane.js';
import { RecentKeys } from './recent-keys.js';

const IDEMPOTENCY_MS = 300_000;
const MAX_KEYS = 100_000;

type Receiver = (channel: string, frame: Uint8Array) => void;

/** Where the nodes of one process meet. Each `MemoryBackplane` has its own, unless tests let several share one. */
export class MemoryHub {
  readonly #receivers = new Set<Receiver>();
  readonly #keys = new RecentKeys({ lifeMs: IDEMPOTENCY_MS, maxKeys: MAX_KEYS });
  #queue: Announcement[] = [];
  #delivered = Promise.withResolvers<void>();

  /**
   * Gives an announcement to the receivers in the next turn, and resolves then: a loop that awaits each of its
   * publications leaves room for everyone else. False where its key was seen in the last five minutes.
   */
  async announce(announcement: Announcement): Promise<boolean> {
    if (!this.#keys.add(`${announcement.channel} ${announcement.idempotencyKey}`)) return false;
    if (this.#queue.push(announcement) === 1) setImmediate(() => this.#deliver());
    await this.#delivered.promise;
    return true;
  }

  /** Whoever is added hears every channel, and knows which of them are its own. */
  add(receiver: Receiver): void {
    this.#receivers.add(receiver);
  }

  remove(receiver: Receiver): void {
    this.#receivers.delete(receiver);
  }

  #deliver(): void {
    const turn = this.#queue;
    const { resolve } = this.#delivered;
    this.#queue = [];
    this.#delivered = Promise.withResolvers();
    for (const { channel, frame } of turn) {
      for (const receive of this.#receivers) receive(channel, frame);
    }
    resolve();
  }
}

import type { Announcement } from '../publishing/backplane.js';
import { RecentKeys } from './recent-keys.js';

const IDEMPOTENCY_MS = 300_000;
const MAX_KEYS = 100_000;

type Receiver = (channel: string, frame: Uint8Array) => void;

/** Where the nodes of one process meet. Each `MemoryBackplane` has its own, unless tests let several share one. */
export class MemoryHub {
  readonly #receivers = new Map<string, Set<Receiver>>();
  readonly #keys = new RecentKeys({ lifeMs: IDEMPOTENCY_MS, maxKeys: MAX_KEYS });
  #queue: Announcement[] = [];

  /** Queues an announcement for its channel's receivers; false where its key was seen in the last five minutes. */
  announce(announcement: Announcement): boolean {
    if (!this.#keys.add(`${announcement.channel} ${announcement.idempotencyKey}`)) return false;
    if (this.#queue.push(announcement) === 1) setImmediate(() => this.#deliver());
    return true;
  }

  add(channel: string, receiver: Receiver): void {
    const receivers = this.#receivers.get(channel) ?? new Set();
    this.#receivers.set(channel, receivers.add(receiver));
  }

  remove(channel: string, receiver: Receiver): void {
    const receivers = this.#receivers.get(channel);
    if (receivers?.delete(receiver) === true && receivers.size === 0) this.#receivers.delete(channel);
  }

  #deliver(): void {
    const turn = this.#queue;
    this.#queue = [];
    for (const { channel, frame } of turn) {
      for (const receive of this.#receivers.get(channel) ?? []) receive(channel, frame);
    }
  }
}

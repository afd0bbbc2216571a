import type { Position } from '@aerie/protocol';
import type { Announced, Announcement } from '../publishing/backplane.js';
import { RecentKeys } from './recent-keys.js';

const IDEMPOTENCY_MS = 300_000;
const MAX_KEYS = 100_000;

type Receiver = (channel: string, frame: Uint8Array, position: Position | undefined) => void;

interface Queued extends Announcement {
  readonly position: Position | undefined;
}

/** Where the nodes of one process meet. Each `MemoryBackplane` has its own, unless tests let several share one. */
export class MemoryHub {
  readonly #receivers = new Set<Receiver>();
  readonly #keys = new RecentKeys<Position | undefined>({ lifeMs: IDEMPOTENCY_MS, maxKeys: MAX_KEYS });
  #queue: Queued[] = [];
  #delivered = Promise.withResolvers<void>();

  /**
   * Gives an announcement to the receivers in the next turn, and resolves then: a loop that awaits each of its
   * publications leaves room for everyone else. A duplicate where its key was seen in the last five minutes.
   *
   * @param append Called in the same step for what is new, where the channel has a history.
   */
  async announce(announcement: Announcement, append?: () => Position): Promise<Announced> {
    const key = `${announcement.channel} ${announcement.idempotencyKey}`;
    const known = this.#keys.get(key);
    if (known !== undefined) return { duplicate: true, ...known.value };
    const position = append?.();
    this.#keys.add(key, position);
    if (this.#queue.push({ ...announcement, position }) === 1) setImmediate(() => this.#deliver());
    await this.#delivered.promise;
    return { duplicate: false, ...position };
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
    for (const { channel, frame, position } of turn) {
      for (const receive of this.#receivers) receive(channel, frame, position);
    }
    resolve();
  }
}

import { BackplaneUnavailable } from '../publishing/backplane.js';

/** While Redis is silent, what was sent waits for its timeout: no more than this of it. */
const MAX_PENDING_BYTES = 64 * 1024 * 1024;

/** What one connection has sent and Redis has not answered yet. */
export class PendingBytes {
  #bytes = 0;

  /** Runs `send`, unless too much waits already. Rejects with `BackplaneUnavailable` then. */
  async add<Answer>(bytes: number, send: () => Promise<Answer>): Promise<Answer> {
    if (this.#bytes + bytes > MAX_PENDING_BYTES) throw new BackplaneUnavailable('Redis: too slow');
    this.#bytes += bytes;
    try {
      return await send();
    } finally {
      this.#bytes -= bytes;
    }
  }
}

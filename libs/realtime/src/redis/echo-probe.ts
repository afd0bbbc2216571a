import { randomUUID } from 'node:crypto';
import { BackplaneUnavailable, type BackplaneHealth } from '../publishing/backplane.js';

/** `silent`: Redis took the announcement, yet it did not come back. */
export type Echo = BackplaneHealth & { readonly silent?: true };

/** Announces something to this node itself and listens for it. */
export class EchoProbe {
  readonly #waiting = new Map<string, () => void>();
  readonly #announce: (frame: Uint8Array, key: string) => Promise<unknown>;

  constructor(announce: (frame: Uint8Array, key: string) => Promise<unknown>) {
    this.#announce = announce;
  }

  /** A frame of the probe's own channel arrived. */
  heard(frame: Uint8Array): void {
    this.#waiting.get(Buffer.from(frame).toString('latin1'))?.();
  }

  /** Never rejects, never waits longer than `timeoutMs`. */
  run(timeoutMs: number): Promise<Echo> {
    const key = randomUUID();
    const startedAt = performance.now();
    return new Promise((resolve) => {
      let announced = false;
      const end = (echo: Echo): void => {
        clearTimeout(timer);
        this.#waiting.delete(key);
        resolve(echo);
      };
      const timer = setTimeout(() => end(announced ? SILENT : NO_ANSWER), timeoutMs);
      this.#waiting.set(key, () => end({ up: true, roundTripMs: performance.now() - startedAt }));
      void this.#announced(key).then((failure) => {
        announced = failure === undefined;
        if (failure !== undefined) end({ up: false, reason: failure });
        return announced;
      });
    });
  }

  async #announced(key: string): Promise<string | undefined> {
    try {
      await this.#announce(Buffer.from(key, 'latin1'), key);
      return undefined;
    } catch (error) {
      return error instanceof BackplaneUnavailable ? error.message : 'fault';
    }
  }
}

const SILENT: Echo = { up: false, reason: 'announced, but not heard', silent: true };
const NO_ANSWER: Echo = { up: false, reason: 'Redis: timeout' };

/** No server may silence a client for longer. */
const MAX_WAIT_MS = 3_600_000;

interface WaitOptions {
  readonly ms: number;
  /** Whether the browser's `online` event ends the wait early. */
  readonly wakeable: boolean;
  readonly done: () => void;
}

/** The pause between two attempts. */
export class ReconnectWait {
  readonly #done: () => void;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #wake = (): void => {
    this.cancel();
    this.#done();
  };

  constructor({ ms, wakeable, done }: WaitOptions) {
    this.#done = done;
    this.#timer = setTimeout(this.#wake, Math.min(ms, MAX_WAIT_MS));
    // Node has no such event.
    if (wakeable) globalThis.addEventListener?.('online', this.#wake);
  }

  cancel(): void {
    clearTimeout(this.#timer);
    globalThis.removeEventListener?.('online', this.#wake);
  }
}

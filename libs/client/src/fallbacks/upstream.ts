import { utf8Length } from '@aerie/protocol';
import { backoffMs } from '../backoff.js';
import { sleep } from './sleep.js';

const MAX_MESSAGES = 64;
const MAX_BODY_BYTES = 512 * 1024;
/** As long as a server keeps a connection that is silent. */
const GIVE_UP_MS = 30_000;
const TRIED_AGAIN = [429, 502, 503, 504];

interface UpstreamPorts {
  /** Sends one body; the status that it was answered with, undefined where the network gave none. */
  readonly post: (body: string) => Promise<number | undefined>;
  /** What was sent can't arrive any more. */
  readonly lost: () => void;
  readonly signal: AbortSignal;
}

interface Queued {
  readonly text: string;
  readonly bytes: number;
}

/** Messages out by `POST /send`: one call at a time, each with the next `seq`, repeated with the same one while its outcome is unknown. */
export class Upstream {
  readonly #ports: UpstreamPorts;
  readonly #queue: Queued[] = [];
  #bytes = 0;
  #seq = 0;
  #run: Promise<void> | undefined;

  constructor(ports: UpstreamPorts) {
    this.#ports = ports;
  }

  get bufferedBytes(): number {
    return this.#bytes;
  }

  /** @param text One message as JSON. */
  send(text: string): void {
    const bytes = utf8Length(text);
    this.#queue.push({ text, bytes });
    this.#bytes += bytes;
    this.#run ??= this.#drain();
  }

  /** Settles when everything has left, or can't. */
  async idle(): Promise<void> {
    await this.#run;
  }

  async #drain(): Promise<void> {
    // What is sent in one turn leaves in one call.
    await Promise.resolve();
    while (this.#queue.length > 0 && !this.#ports.signal.aborted) {
      const batch = this.#take();
      this.#seq += 1;
      const body = `{"seq":${this.#seq},"messages":[${batch.map(({ text }) => text).join(',')}]}`;
      if (!(await this.#deliver(body))) return this.#ports.lost();
      for (const { bytes } of batch) this.#bytes -= bytes;
    }
    this.#run = undefined;
  }

  #take(): readonly Queued[] {
    let bytes = 0;
    const end = this.#queue.findIndex((one, index) => {
      bytes += one.bytes;
      return index === MAX_MESSAGES || (index > 0 && bytes > MAX_BODY_BYTES);
    });
    return this.#queue.splice(0, end === -1 ? MAX_MESSAGES : end);
  }

  async #deliver(body: string): Promise<boolean> {
    const { post, signal } = this.#ports;
    const startedAt = performance.now();
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      const status = await post(body);
      if (status === 202) return true;
      const unknown = status === undefined || TRIED_AGAIN.includes(status);
      if (!unknown || performance.now() - startedAt > GIVE_UP_MS) return false;
      await sleep(backoffMs(attempt), signal);
    }
    return false;
  }
}

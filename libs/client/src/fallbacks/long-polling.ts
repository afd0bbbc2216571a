import { backoffMs } from '../backoff.js';
import { answerOf } from '../http-answer.js';
import { HttpSocket, type HttpTransportOptions } from './http-socket.js';
import { sleep } from './sleep.js';
import type { TransportKind } from './transport-kind.js';

/** A server answers within 25 s; what takes longer than this was lost on the way. */
const POLL_MS = 40_000;
/** As long as a server keeps a connection that nobody polls. */
const GIVE_UP_MS = 30_000;
const TRIED_AGAIN = [429, 502, 503, 504];
/** So many polls in a row for which the node that holds the connection gave no answer mean that it died. */
const SILENT_POLLS = 2;

/** Long polling: one request after the other, each held until there are frames. Works wherever plain HTTP does. */
export function longPolling(options: HttpTransportOptions = {}): TransportKind {
  return {
    name: 'long-polling',
    dial: (setup, events) => {
      const socket = new LongPollingSocket(setup, events, options);
      void socket.run();
      return { socket, why: () => Promise.resolve(socket.answer) };
    },
  };
}

interface Batch {
  /** Of the first answer. */
  readonly connection?: string;
  /** What stands for the session, and says where its channels are. */
  readonly id?: string;
  readonly cursor: string;
  readonly frames: readonly unknown[];
}

class LongPollingSocket extends HttpSocket {
  readonly #url: string | URL;

  constructor(...[setup, events, options]: ConstructorParameters<typeof HttpSocket>) {
    super(setup, events, options);
    this.#url = options.url ?? 'poll';
  }

  async run(): Promise<void> {
    const response = await this.enter(this.#url, 'application/json');
    if (!response) return;
    this.events.received();
    let batch = await this.#read(response);
    while (batch && this.#pass(batch)) batch = await this.#next(batch.cursor);
    if (!this.signal.aborted) this.lost();
  }

  protected override leave(): void {
    // What is left open ends by itself, only later.
    const signal = AbortSignal.timeout(GIVE_UP_MS);
    void this.ask(this.#url, { method: 'DELETE', keepalive: true, signal });
  }

  #pass({ frames }: Batch): boolean {
    this.events.received();
    return frames.every(
      (frame) => !this.signal.aborted && this.take(typeof frame === 'string' ? frame : JSON.stringify(frame)),
    );
  }

  /** The batch behind the cursor. To ask again with the same cursor is safe: it brings the same batch. */
  async #next(cursor: string): Promise<Batch | undefined> {
    const startedAt = performance.now();
    let silent = 0;
    for (let attempt = 0; !this.signal.aborted; attempt += 1) {
      const response = await this.#poll(cursor);
      if (response?.ok) {
        const batch = await this.#read(response);
        if (batch) return batch;
      } else if (response && !TRIED_AGAIN.includes(response.status)) return undefined;
      silent = (await isUnanswered(response)) ? silent + 1 : 0;
      if (silent === SILENT_POLLS) return undefined;
      if (attempt > 0 && performance.now() - startedAt > GIVE_UP_MS) return undefined;
      await sleep(backoffMs(attempt), this.signal);
    }
    return undefined;
  }

  #poll(cursor: string): Promise<Response | undefined> {
    const target = this.address(this.#url);
    target.searchParams.set('cursor', cursor);
    return this.ask(target, { signal: AbortSignal.any([this.signal, AbortSignal.timeout(POLL_MS)]) });
  }

  async #read(response: Response): Promise<Batch | undefined> {
    const body: unknown = await response.json().catch(() => undefined);
    const { connection = '', cursor, id, frames } = Object(body) as Partial<Batch>;
    if (cursor === undefined || !Array.isArray(frames)) return undefined;
    this.connection ||= connection;
    this.id = id ?? this.id;
    return { cursor, frames };
  }
}

/** Whether a node said that the one which holds the connection did not answer. */
async function isUnanswered(response: Response | undefined): Promise<boolean> {
  if (response?.status !== 503) return false;
  const { error } = await answerOf(response);
  return error?.code === 'unavailable';
}

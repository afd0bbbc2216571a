import type { ReceivedFrame } from '../frame-queue.js';
import { ensure, equal, fieldsOf } from './expectations.js';
import type { HttpAsk } from './http-ask.js';

/** Asks where polls go. */
export type AskPoll = (ask: HttpAsk) => Promise<Response>;

interface Opening extends HttpAsk {
  readonly timeoutMs: number;
}

/** What a poll is answered with. */
export interface Batch {
  readonly cursor: string;
  readonly id: string;
  readonly frames: readonly ReceivedFrame[];
}

/** A connection by long polling: one request after the other, as a rule asks for them. */
export class PollTalker {
  readonly received: ReceivedFrame[] = [];
  readonly connection: string;
  cursor = '';
  /** Where the channels stand. */
  id = '';
  readonly #askPoll: AskPoll;
  readonly #opening: Opening;

  static async open(askPoll: AskPoll, opening: Opening): Promise<PollTalker> {
    const response = await askPoll(opening);
    equal(response.status, 200, 'the status of the first poll');
    return new PollTalker(askPoll, opening, fieldsOf((await response.json()) as unknown));
  }

  private constructor(askPoll: AskPoll, opening: Opening, answer: Readonly<Record<string, unknown>>) {
    this.#askPoll = askPoll;
    this.#opening = opening;
    ensure(typeof answer['connection'] === 'string', 'the first answer has no connection');
    this.connection = answer['connection'];
    this.#keep(batchIn(answer));
  }

  /** Asks for what is behind a cursor; default: the last one. Answers are not kept. */
  ask(cursor = this.cursor, { headers = {}, ...ask }: HttpAsk = {}): Promise<Response> {
    return this.#askPoll({
      token: this.#opening.token,
      query: { cursor },
      headers: { 'aerie-connection': this.connection, ...headers },
      ...ask,
    });
  }

  /** The next batch, for which there has to be something in time. */
  async next(): Promise<Batch> {
    const response = await this.ask();
    equal(response.status, 200, 'the status of a poll');
    const batch = batchIn(fieldsOf((await response.json()) as unknown));
    this.#keep(batch);
    return batch;
  }

  /** Polls until there is such a frame. */
  async frame(matches: (frame: ReceivedFrame) => boolean): Promise<ReceivedFrame> {
    const deadline = performance.now() + this.#opening.timeoutMs;
    for (;;) {
      const found = this.received.find(matches);
      if (found !== undefined) return found;
      ensure(performance.now() < deadline, `no such frame, but ${JSON.stringify(this.received)}`);
      await this.next();
    }
  }

  #keep({ cursor, id, frames }: Batch): void {
    this.cursor = cursor;
    this.id = id;
    this.received.push(...frames);
  }
}

/** Reads what a poll was answered with. Throws where it is no batch. */
export function batchIn({ cursor, id, frames }: Readonly<Record<string, unknown>>): Batch {
  ensure(typeof cursor === 'string' && typeof id === 'string', 'an answer has no cursor and no id');
  ensure(Array.isArray(frames), 'an answer has no frames');
  return { cursor, id, frames: frames as readonly ReceivedFrame[] };
}

import type { ErrorBody, MessageId } from '@aerie/protocol';

/** One frame from the server: a publication, a direct event, a reply or an error, told apart by its fields. */
export interface ReceivedFrame {
  readonly event?: string;
  readonly id?: MessageId;
  readonly data?: unknown;
  readonly error?: ErrorBody;
  readonly channel?: string;
  readonly from?: string;
  readonly offset?: number;
  readonly more?: true;
  readonly done?: true;
}

/** An event's name, or whatever tells the frame that one waits for. */
export type FramePredicate = string | ((frame: ReceivedFrame) => boolean);

interface Waiting {
  readonly matches: (frame: ReceivedFrame) => boolean;
  readonly take: (frame: ReceivedFrame) => void;
  readonly fail: (error: Error) => void;
}

/** Frames in the order of their arrival; each is handed out once. */
export class FrameQueue {
  /** Everything that arrived, taken or not. */
  readonly all: ReceivedFrame[] = [];
  readonly #untaken: ReceivedFrame[] = [];
  readonly #waiting = new Set<Waiting>();
  #ended: Error | undefined;

  push(frame: ReceivedFrame): void {
    this.all.push(frame);
    for (const waiting of this.#waiting)
      if (waiting.matches(frame)) {
        this.#waiting.delete(waiting);
        waiting.take(frame);
        return;
      }
    this.#untaken.push(frame);
  }

  /** The first frame that matches and that nobody took, now or once it arrives. Rejects where none comes in time. */
  take(predicate: FramePredicate, timeoutMs: number): Promise<ReceivedFrame> {
    const matches =
      typeof predicate === 'string' ? ({ event }: ReceivedFrame) => event === predicate : predicate;
    const index = this.#untaken.findIndex(matches);
    const [here] = index < 0 ? [] : this.#untaken.splice(index, 1);
    if (here !== undefined) return Promise.resolve(here);
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return this.#wait(matches, timeoutMs);
  }

  /** No more will come: whoever waits is told so. */
  end(error: Error): void {
    this.#ended = error;
    for (const { fail } of this.#waiting) fail(error);
    this.#waiting.clear();
  }

  #wait(matches: Waiting['matches'], timeoutMs: number): Promise<ReceivedFrame> {
    const { promise, resolve, reject } = Promise.withResolvers<ReceivedFrame>();
    const waiting: Waiting = { matches, take: resolve, fail: reject };
    this.#waiting.add(waiting);
    const timer = setTimeout(() => {
      this.#waiting.delete(waiting);
      reject(new Error(`no such frame within ${timeoutMs} ms, but ${JSON.stringify(this.all)}`));
    }, timeoutMs);
    return promise.finally(() => clearTimeout(timer));
  }
}

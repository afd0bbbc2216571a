import { failure } from './errors.js';
import type { ReplySink } from './pending-requests.js';

const MAX_BUFFERED_REPLIES = 256;

/** Takes the first reply and settles a promise with it. */
export class OneReply implements ReplySink {
  readonly #resolve: (data: unknown) => void;
  readonly fail: (error: unknown) => void;

  constructor(resolve: (data: unknown) => void, reject: (error: unknown) => void) {
    this.#resolve = resolve;
    this.fail = reject;
  }

  reply(data: unknown): boolean {
    this.#resolve(data);
    return false;
  }
}

/** Takes a stream of replies for one reader; when 256 wait unread, the stream fails as `overloaded`. */
export class ReplyStream implements ReplySink {
  readonly #replies: unknown[] = [];
  #end: { readonly error?: unknown } | undefined;
  #wake: () => void = () => undefined;

  reply(data: unknown, last: boolean): boolean {
    if (data !== undefined) this.#replies.push(data);
    if (last) this.#finish({});
    else if (this.#replies.length > MAX_BUFFERED_REPLIES) {
      this.fail(failure('overloaded', 'The stream is read slower than it arrives'));
    }
    this.#wake();
    return !this.#end;
  }

  fail(error: unknown): void {
    this.#finish({ error });
  }

  async *read(): AsyncGenerator<unknown, void, undefined> {
    for (;;) {
      while (this.#replies.length > 0) yield this.#replies.shift();
      if (this.#end && 'error' in this.#end) throw this.#end.error;
      if (this.#end) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #finish(end: { readonly error?: unknown }): void {
    this.#end ??= end;
    this.#wake();
  }
}

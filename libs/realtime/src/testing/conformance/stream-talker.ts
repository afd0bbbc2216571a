import { type FramePredicate, FrameQueue, type ReceivedFrame } from '../frame-queue.js';
import { fieldsOf } from './expectations.js';

/** Listens to server-sent events (HTML standard, section 9.2), of the default type. */
export class StreamTalker {
  readonly headers: Headers;
  /** Settles when the stream is over, whoever ended it. */
  readonly ended: Promise<void>;
  /** Resolves with the first comment: a sign of life. */
  readonly commented: Promise<void>;
  /** What an EventSource would come back with. */
  lastEventId = '';
  readonly #frames = new FrameQueue();
  readonly #timeoutMs: number;
  readonly #comment = Promise.withResolvers<void>();
  #id = '';
  #data: string[] = [];

  constructor(response: Response, timeoutMs: number) {
    this.headers = response.headers;
    this.#timeoutMs = timeoutMs;
    this.commented = this.#comment.promise;
    this.ended = this.#read(response).then(
      () => this.#frames.end(new Error('the stream has ended')),
      (error: unknown) => this.#frames.end(error instanceof Error ? error : new Error(String(error))),
    );
  }

  get received(): readonly ReceivedFrame[] {
    return this.#frames.all;
  }

  /** The next frame that matches and was not taken before. Rejects where none comes in time. */
  frame(predicate: FramePredicate): Promise<ReceivedFrame> {
    return this.#frames.take(predicate, this.#timeoutMs);
  }

  /** What `$welcome` said. */
  async welcome(): Promise<Readonly<Record<string, unknown>>> {
    return fieldsOf((await this.frame('$welcome')).data);
  }

  async #read({ body }: Response): Promise<void> {
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of body ?? []) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? '';
      for (const line of lines) this.#line(line);
    }
  }

  #line(line: string): void {
    if (line === '') return this.#dispatch();
    if (line.startsWith(':')) return this.#comment.resolve();
    const [, field = '', value = ''] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
    if (field === 'data') this.#data.push(value);
    else if (field === 'id') this.#id = value;
  }

  #dispatch(): void {
    this.lastEventId = this.#id;
    const data = this.#data.splice(0);
    if (data.length > 0) this.#frames.push(JSON.parse(data.join('\n')) as ReceivedFrame);
  }
}

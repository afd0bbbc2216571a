/** Larger than any frame that a client asked for; past it the stream is none of ours. */
const MAX_PENDING = 8 * 1024 * 1024;

interface EventStreamEvents {
  readonly data: (data: string) => void;
  readonly id: (id: string) => void;
  /** Milliseconds to stay away after the end. */
  readonly retry: (ms: number) => void;
}

/** Reads `text/event-stream` (HTML standard, section 9.2) piece by piece. Events of the default type only. */
export class EventStream {
  readonly #events: EventStreamEvents;
  #rest = '';
  #data: string[] = [];
  #size = 0;

  constructor(events: EventStreamEvents) {
    this.#events = events;
  }

  /** @throws RangeError when a frame has more than 8 Mi characters. */
  push(text: string): void {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
    if (this.#rest.length + this.#size > MAX_PENDING) throw new RangeError('the event is too large');
  }

  #line(line: string): void {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') {
      this.#data.push(value);
      this.#size += value.length;
    } else if (field === 'id') this.#events.id(value);
    else if (field === 'retry' && /^\d+$/.test(value)) this.#events.retry(Number(value));
  }

  #dispatch(): void {
    const data = this.#data;
    this.#data = [];
    this.#size = 0;
    if (data.length > 0) this.#events.data(data.join('\n'));
  }
}

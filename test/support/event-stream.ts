import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { vi } from 'vitest';
import type { ReceivedFrame } from '@aerie/realtime/testing';

/** Reads server-sent events by the rules of the HTML standard, and leaves what a browser would do next to the spec. */
export class EventStream {
  readonly frames: ReceivedFrame[] = [];
  /** What a browser would send as `Last-Event-ID`. */
  lastEventId = '';
  retryMs: number | undefined;
  comments = 0;
  ended = false;
  #lines = '';
  #data: string[] = [];
  #idBuffer = '';

  private constructor(
    readonly status: number,
    readonly headers: IncomingHttpHeaders,
    private readonly sent: ClientRequest,
    readonly response: IncomingMessage,
  ) {
    response.setEncoding('utf8');
    response.on('data', (text: string) => this.#take(text));
    response.on('close', () => (this.ended = true));
    response.on('error', () => (this.ended = true));
    sent.on('error', () => (this.ended = true));
  }

  /** Resolves once there are headers, whatever they say. `localAddress`: where it comes from; default: the system's choice. */
  static open(
    url: string,
    headers: Record<string, string> = {},
    localAddress?: string,
  ): Promise<EventStream> {
    return new Promise((resolve, reject) => {
      const sent = request(url, {
        headers: { accept: 'text/event-stream', ...headers },
        agent: false,
        ...(localAddress !== undefined && { localAddress }),
      });
      sent.once('error', reject);
      sent.once('response', (response) =>
        resolve(new EventStream(response.statusCode ?? 0, response.headers, sent, response)),
      );
      sent.end();
    });
  }

  /** The first frame with this event, once it is there. */
  frame(event: string): Promise<ReceivedFrame> {
    return vi.waitFor(
      () => {
        const found = this.frames.find((frame) => frame.event === event);
        if (found === undefined) throw new Error(`no ${event} among ${JSON.stringify(this.frames)}`);
        return found;
      },
      { timeout: 10_000 },
    );
  }

  /** Of publications with this event, in order. */
  dataOf(event: string): unknown[] {
    return this.frames.filter((frame) => frame.event === event).map(({ data }) => data);
  }

  /** As a network does: nobody says goodbye. */
  cut(): void {
    this.sent.destroy();
  }

  #take(text: string): void {
    this.#lines += text;
    const lines = this.#lines.split('\n');
    this.#lines = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) this.comments += 1;
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.#data.push(value);
    else if (field === 'id') this.#idBuffer = value;
    else if (field === 'retry') this.retryMs = Number(value);
  }

  #dispatch(): void {
    this.lastEventId = this.#idBuffer;
    if (this.#data.length > 0) this.frames.push(JSON.parse(this.#data.join('\n')) as ReceivedFrame);
    this.#data = [];
  }
}

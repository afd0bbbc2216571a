import type { HttpAsk, HttpPath } from './http-ask.js';
import { type ConformanceTarget } from './target.js';
import { PollTalker } from './poll-talker.js';
import { StreamTalker } from './stream-talker.js';
import { ensure } from './expectations.js';

/** Plain requests to the target, all of which end with the test. */
export class HttpSide {
  readonly #target: ConformanceTarget;
  readonly #timeoutMs: number;
  readonly #over = new AbortController();

  constructor(target: ConformanceTarget, timeoutMs: number) {
    this.#target = target;
    this.#timeoutMs = timeoutMs;
  }

  /** The answer, whatever it is. */
  ask(path: HttpPath, ask: HttpAsk = {}): Promise<Response> {
    const { token, query = {}, headers = {}, isOpenEnd = false, method = 'GET', body } = ask;
    const url = new URL(path, this.#target.httpUrl ?? this.#target.url.replace(/^ws/, 'http'));
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const limit = isOpenEnd ? [] : [AbortSignal.timeout(this.#timeoutMs)];
    return fetch(url, {
      method,
      headers: { ...authorization, ...headers },
      redirect: 'manual',
      signal: AbortSignal.any([this.#over.signal, ...limit]),
      ...(body !== undefined && { body }),
    });
  }

  /** Server-sent events, from their first byte on. */
  async stream(ask: HttpAsk): Promise<StreamTalker> {
    const response = await this.ask('sse', { ...ask, isOpenEnd: true });
    ensure(response.status === 200, `the stream was answered with ${response.status}`);
    return new StreamTalker(response, this.#timeoutMs);
  }

  /** A connection by long polling: its first answer is there. */
  poll(ask: HttpAsk): Promise<PollTalker> {
    return PollTalker.open((polled) => this.ask('poll', polled), { ...ask, timeoutMs: this.#timeoutMs });
  }

  /** Sends a body beside the connection of this name. */
  send(connection: string, body: unknown, { headers = {}, ...ask }: HttpAsk = {}): Promise<Response> {
    return this.ask('send', {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', 'aerie-connection': connection, ...headers },
      ...ask,
    });
  }

  end(): void {
    this.#over.abort();
  }
}

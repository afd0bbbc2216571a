import { utf8Length, type Welcome } from '@aerie/protocol';
import type { Report } from './emitter.js';
import { RealtimeError } from './errors.js';
import { OutboundQueue } from './outbound-queue.js';
import { PendingRequests, type ReplySink } from './pending-requests.js';
import { OneReply, ReplyStream } from './reply-sinks.js';
import type { ServerFrame } from './server-frame.js';
import type { RealtimeState } from './state.js';

const DEFAULT_TIMEOUT_MS = 10_000;

export interface RequestOptions {
  /** Milliseconds until the reply, or until a stream's first; time without a connection counts. Default 10,000. */
  readonly timeoutMs?: number;
  /** Gives up early; the promise rejects with the signal's reason. The server is not told. */
  readonly signal?: AbortSignal | undefined;
}

interface Outgoing {
  readonly event: string;
  readonly data?: unknown;
  /** Fails at once without a connection instead of waiting for one. */
  readonly now?: boolean;
}

interface Carrier {
  readonly state: RealtimeState;
  readonly welcome: Welcome | undefined;
  demand(): void;
  send(text: string, bytes: number): void;
}

/** Messages out, replies back. What is sent without a connection waits in a bounded queue; what was cut off fails. */
export class Exchange {
  readonly #carrier: Carrier;
  readonly #report: Report;
  readonly #queue = new OutboundQueue();
  readonly #pending = new PendingRequests((id) => this.#queue.remove(id));
  // 0 is the first message's `$auth`.
  #nextId = 1;

  constructor(carrier: Carrier, report: Report) {
    this.#carrier = carrier;
    this.#report = report;
  }

  get welcome(): Welcome | undefined {
    return this.#carrier.welcome;
  }

  get stopped(): boolean {
    return this.#carrier.state.status === 'stopped';
  }

  /** Sees to it that there will be a connection. */
  demand(): void {
    this.#carrier.demand();
  }

  /** @throws RealtimeError when it can neither be sent nor queued. */
  send(message: Outgoing): void {
    const id = this.#nextId++;
    this.#dispatch({
      id,
      message,
      text: JSON.stringify({ event: message.event, data: message.data }),
      fail: this.#report,
    });
  }

  request(message: Outgoing, options: RequestOptions = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.ask(message, new OneReply(resolve, reject), options);
    });
  }

  async *stream(message: Outgoing, options: RequestOptions = {}): AsyncGenerator<unknown, void, undefined> {
    const replies = new ReplyStream();
    const id = this.ask(message, replies, options);
    try {
      yield* replies.read();
    } finally {
      this.#pending.cancel(id);
    }
  }

  /** Sends a message whose replies, or failure, go to the sink. */
  ask(
    message: Outgoing,
    sink: ReplySink,
    { timeoutMs = DEFAULT_TIMEOUT_MS, signal }: RequestOptions = {},
  ): number {
    const id = this.#nextId++;
    try {
      const text = JSON.stringify({ event: message.event, data: message.data, id });
      this.#pending.add(id, sink, { timeoutMs, signal });
      this.#dispatch({ id, message, text, fail: (error) => this.#pending.fail(id, error) });
    } catch (error) {
      this.#pending.cancel(id);
      sink.fail(error);
    }
    return id;
  }

  receive(frame: ServerFrame & { readonly kind: 'reply' | 'error' }): void {
    if (frame.kind === 'reply') this.#pending.reply(frame.id, frame.data, !frame.more || frame.done);
    else if (frame.id === undefined) this.#report(new RealtimeError(frame.error));
    else this.#pending.fail(frame.id, new RealtimeError(frame.error));
  }

  /** Sends what waited, in its order. */
  flush(): void {
    for (const { text, bytes, fail } of this.#queue.drain()) {
      try {
        this.#carrier.send(text, bytes);
      } catch (error) {
        fail(error);
      }
    }
  }

  /** The connection is gone: what was sent on it has an unknown outcome. Nothing else is pending then. */
  cut(): void {
    this.#pending.failAll(new RealtimeError({ code: 'unavailable', message: 'The connection was lost' }));
  }

  stop(): void {
    const error = stopped();
    for (const { fail } of this.#queue.drain()) fail(error);
    this.#pending.failAll(error);
  }

  #dispatch({ id, message, text, fail }: Dispatch): void {
    const bytes = utf8Length(text);
    if (this.welcome) return this.#carrier.send(text, bytes);
    if (this.stopped) throw stopped();
    if (message.now) throw new RealtimeError({ code: 'unavailable', message: 'There is no connection' });
    this.#queue.push(id, { text, bytes, fail });
    this.#carrier.demand();
  }
}

interface Dispatch {
  readonly id: number;
  readonly message: Outgoing;
  readonly text: string;
  readonly fail: (error: unknown) => void;
}

function stopped(): RealtimeError {
  return new RealtimeError({ code: 'unavailable', message: 'The client is stopped' });
}

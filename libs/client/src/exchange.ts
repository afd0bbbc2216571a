import type { Welcome } from '@aerie/protocol';
import { Backlog } from './backlog.js';
import { byteLength, type Codec, type Encoded } from './codec.js';
import type { Report } from './emitter.js';
import { failure, RealtimeError } from './errors.js';
import type { Abortable } from './events.js';
import { Outbox } from './outbox.js';
import { PendingRequests, type ReplySink } from './pending-requests.js';
import type { ServerFrame } from './server-frame.js';
import type { RealtimeState } from './state.js';

const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_UNREAD_REPLIES = 256;

export interface RequestOptions extends Abortable {
  /** Milliseconds until the reply, or until a stream's first; time without a connection counts. Default 10,000. */
  readonly timeoutMs?: number;
}

interface Outgoing {
  readonly event: string;
  readonly data?: unknown;
  /**
   * One of the client's own: goes ahead of the application's, fails at once without a connection instead of waiting for
   * one, and has all of its time from when it left.
   */
  readonly own?: boolean;
}

interface Carrier {
  readonly state: RealtimeState;
  readonly welcome: Welcome | undefined;
  demand(): void;
  send(encoded: Encoded): void;
}

/** Messages out, replies back. What can't leave yet waits in the outbox; what left and was cut off fails. */
export class Exchange {
  readonly #carrier: Carrier;
  readonly #codec: Codec;
  readonly #report: Report;
  readonly #outbox: Outbox;
  readonly #pending = new PendingRequests((id) => this.#outbox.ended(id));
  // 0 is the first message's `$auth`.
  #nextId = 1;

  constructor(carrier: Carrier, codec: Codec, report: Report) {
    this.#carrier = carrier;
    this.#codec = codec;
    this.#report = report;
    this.#outbox = new Outbox(carrier);
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
    const encoded = this.#codec.encode({ event: message.event, data: message.data });
    this.#post(message, { id: this.#nextId++, encoded, fail: this.#report });
  }

  request(message: Outgoing, options: RequestOptions = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const reply = (data: unknown): boolean => {
        resolve(data);
        return false;
      };
      this.ask(message, { reply, fail: reject }, options);
    });
  }

  async *stream(message: Outgoing, options: RequestOptions = {}): AsyncGenerator<unknown, void, undefined> {
    const replies = new Backlog<unknown>(MAX_UNREAD_REPLIES);
    const reply = (data: unknown, last: boolean): boolean => {
      if (data !== undefined) replies.push(data);
      if (last) replies.finish();
      return !replies.ended;
    };
    const id = this.ask(message, { reply, fail: (error) => replies.fail(error) }, options);
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
    const wait = (): void => this.#pending.expire(id, timeoutMs);
    try {
      const encoded = this.#codec.encode({ event: message.event, data: message.data, id });
      this.#pending.add(id, sink, signal);
      if (!message.own) wait();
      const fail = (error: unknown): void => this.#pending.fail(id, error);
      this.#post(message, { id, encoded, fail, ...(message.own && { sent: wait }) });
    } catch (error) {
      this.#pending.cancel(id);
      sink.fail(error);
    }
    return id;
  }

  receive(frame: ServerFrame & { readonly kind: 'reply' | 'error' }): void {
    if (frame.kind === 'reply') this.#pending.reply(frame.id, frame.data, frame.last);
    else if (frame.id === undefined) this.#report(new RealtimeError(frame.error));
    else this.#pending.fail(frame.id, new RealtimeError(frame.error));
  }

  /** There is a new connection; what waited stays where it is until `flush`. */
  opened(): void {
    this.#outbox.opened();
  }

  /** Sends what waited, in its order and at the pace that the server takes. */
  flush(): void {
    this.#outbox.flush();
  }

  /** The connection is gone, closed with `code`: what was sent on it has an unknown outcome. */
  cut(code: number): void {
    this.#outbox.cut(code);
    const error = failure('unavailable', 'The connection was lost');
    this.#pending.failAll(error, (id) => !this.#outbox.holds(id));
  }

  stop(): void {
    const error = stopped();
    for (const { fail } of this.#outbox.drain()) fail(error);
    this.#pending.failAll(error);
  }

  #post({ own = false }: Outgoing, { id, encoded, fail, sent = ignore }: Posting): void {
    if (!this.welcome) {
      if (this.stopped) throw stopped();
      if (own) throw failure('unavailable', 'There is no connection');
    }
    this.#outbox.post({ id, encoded, bytes: byteLength(encoded), own, fail, sent });
    this.#carrier.demand();
  }
}

interface Posting {
  readonly id: number;
  readonly encoded: Encoded;
  readonly fail: (error: unknown) => void;
  readonly sent?: () => void;
}

function ignore(): void {}

function stopped(): RealtimeError {
  return failure('unavailable', 'The client is stopped');
}

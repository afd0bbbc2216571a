import type { MessageId } from '@aerie/protocol';
import { type Observable, Subscription } from 'rxjs';

export interface ReplySink {
  readonly id: MessageId | undefined;
  send(frame: unknown): void;
  fail(error: unknown): void;
  /** A filter of the application has taken the failure: what then completes did not succeed. */
  hasFailed(): boolean;
  /** Nothing more will come: it completed, failed, or was unsubscribed. */
  ended(): void;
}

/**
 * Sends what an Observable emits. With an id: values with `more: true` until `done: true`; a single value that completes at
 * once (an interceptor's doing) is one plain reply. Without an id each value goes out as Nest's ws adapter sends it. A value
 * that can't be encoded ends the stream: thrown into rxjs, it would end the process.
 */
export function sendStream(values: Observable<unknown>, sink: ReplySink): Subscription {
  const subscription = new Subscription(() => sink.ended());
  const fail = (error: unknown): void => {
    sink.fail(error);
    subscription.unsubscribe();
  };
  const replies = repliesOf(sink, fail);
  const inner = values.subscribe({
    next: (value) => replies.next(value),
    error: (error: unknown) => {
      replies.flush();
      fail(error);
    },
    complete: () => {
      if (sink.hasFailed()) replies.flush();
      else replies.complete();
      subscription.unsubscribe();
    },
  });
  subscription.add(inner);
  return subscription;
}

function repliesOf(sink: ReplySink, fail: (error: unknown) => void): VanillaReplies | IdentifiedReplies {
  const sendSafely = (frame: unknown): void => {
    try {
      sink.send(frame);
    } catch (error) {
      fail(error);
    }
  };
  return sink.id === undefined ? new VanillaReplies(sendSafely) : new IdentifiedReplies(sendSafely, sink.id);
}

type Send = (frame: unknown) => void;

class VanillaReplies {
  constructor(private readonly send: Send) {}

  next(value: unknown): void {
    if (value !== undefined && value !== null) this.send(value);
  }

  flush(): void {}

  complete(): void {}
}

class IdentifiedReplies {
  #held: { value: unknown } | undefined;
  #streamed = false;

  constructor(
    private readonly send: Send,
    private readonly id: MessageId,
  ) {}

  next(value: unknown): void {
    this.flush();
    const held = { value };
    this.#held = held;
    setImmediate(() => {
      if (this.#held === held) this.flush();
    });
  }

  /** Sends the value that may have been the last one: something else comes. */
  flush(): void {
    if (this.#held === undefined) return;
    this.send({ id: this.id, data: this.#held.value, more: true });
    this.#held = undefined;
    this.#streamed = true;
  }

  complete(): void {
    const last = this.#held;
    this.#held = undefined;
    if (last !== undefined && !this.#streamed) this.send(plainReply(this.id, last.value));
    else this.send({ id: this.id, ...(last !== undefined && { data: last.value }), done: true });
  }
}

/** The reply for one returned value. A `WsResponse` keeps its event beside the id. */
export function plainReply(id: MessageId, value: unknown): unknown {
  if (isWsResponse(value)) return { id, event: value.event, data: value.data };
  return { id, data: value };
}

/** What a handler of Nest returns to send an event of its own: exactly `{ event, data }`. */
export function isWsResponse(value: unknown): value is { event: string; data: unknown } {
  if (typeof value !== 'object' || value === null || !('event' in value) || !('data' in value)) return false;
  return typeof value.event === 'string' && Object.keys(value).length === 2;
}

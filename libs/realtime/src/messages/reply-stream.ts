import type { MessageId } from '@aerie/protocol';
import type { Observable, Subscription } from 'rxjs';

export interface ReplySink {
  readonly id: MessageId | undefined;
  send(frame: unknown): void;
  fail(error: unknown): void;
}

/**
 * Sends what an Observable emits. With an id: values with `more: true` until `done: true`; a single value that completes at
 * once (an interceptor's doing) is one plain reply. Without an id each value goes out as Nest's ws adapter sends it.
 */
export function sendStream(
  values: Observable<unknown>,
  sink: ReplySink,
): { subscription: Subscription; settled: Promise<void> } {
  const { promise: settled, resolve } = Promise.withResolvers<void>();
  const replies = sink.id === undefined ? new VanillaReplies(sink) : new IdentifiedReplies(sink, sink.id);
  const subscription = values.subscribe({
    next: (value) => replies.next(value),
    error: (error: unknown) => {
      sink.fail(error);
      resolve();
    },
    complete: () => {
      replies.complete();
      resolve();
    },
  });
  subscription.add(() => resolve());
  return { subscription, settled };
}

class VanillaReplies {
  constructor(private readonly sink: ReplySink) {}

  next(value: unknown): void {
    if (value !== undefined && value !== null) this.sink.send(value);
  }

  complete(): void {}
}

class IdentifiedReplies {
  #held: { value: unknown } | undefined;
  #streamed = false;

  constructor(
    private readonly sink: ReplySink,
    private readonly id: MessageId,
  ) {}

  next(value: unknown): void {
    this.#flush();
    const held = { value };
    this.#held = held;
    setImmediate(() => {
      if (this.#held === held) this.#flush();
    });
  }

  complete(): void {
    const last = this.#held;
    this.#held = undefined;
    if (last !== undefined && !this.#streamed) this.sink.send(plainReply(this.id, last.value));
    else this.sink.send({ id: this.id, ...(last !== undefined && { data: last.value }), done: true });
  }

  #flush(): void {
    if (this.#held === undefined) return;
    this.sink.send({ id: this.id, data: this.#held.value, more: true });
    this.#held = undefined;
    this.#streamed = true;
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

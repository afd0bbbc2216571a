import { AsyncLocalStorage } from 'node:async_hooks';
import type { Message } from '@aerie/protocol';

/** The message that the running handler answers. Filters of the application send frames by themselves; this finds theirs. */
export interface MessageContext {
  readonly message: Message;
  /** What a filter made of the handler's exception; undefined while nothing failed. */
  failure?: unknown;
  failed: boolean;
  /** It has been answered with `timeout`: what its handler says counts for nothing. */
  readonly over: boolean;
}

const storage = new AsyncLocalStorage<MessageContext>();

export function runWithMessage<T>(context: MessageContext, run: () => T): T {
  return storage.run(context, run);
}

/** The message being handled in this asynchronous context, or undefined outside of one. */
export function currentMessage(): MessageContext | undefined {
  return storage.getStore();
}

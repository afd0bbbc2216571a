import type { ErrorBody, Message } from '@aerie/protocol';
import type { Connection } from '../connections/connection.js';

/** Answers one message. What it returns is the reply; a Refusal or an exception becomes the error reply. */
export type MessageHandler = (connection: Connection, message: Message) => unknown;

/** Returned by a handler that has sent its reply itself, with `answer`. */
export const ANSWERED = Symbol('answered');

/**
 * Returned by a handler whose place in the order is settled, while its outcome is still to come: the connection's next
 * message need not wait for it. What `outcome` comes to is the reply.
 */
export class UnderWay {
  constructor(readonly outcome: Promise<unknown>) {}
}

/** Sends a reply now, where its place among the connection's frames matters. Without an id nobody waits for one. */
export function answer(connection: Connection, message: Message, data: unknown): void {
  if (message.id !== undefined) connection.sendPayload(JSON.stringify({ id: message.id, data }));
}

/** Handlers of the system's own events (`$subscribe`, …). */
export class SystemHandlers {
  readonly #handlers = new Map<string, MessageHandler>();

  set(event: string, handler: MessageHandler): void {
    if (this.#handlers.has(event)) throw new Error(`${event} has a handler already`);
    this.#handlers.set(event, handler);
  }

  get(event: string): MessageHandler | undefined {
    return this.#handlers.get(event);
  }
}

/** Handlers of the application for one connection: gateway methods bound to its client. */
export interface ApplicationHandlers {
  get(event: string): ((message: Message) => unknown) | undefined;
}

/** What the pipeline tells of failures that only the operator should see. */
export type ReportFault = (fault: {
  readonly event: string;
  readonly error: unknown;
  readonly body: ErrorBody;
}) => void;

import type { ErrorBody, Message } from '@aerie/protocol';
import type { Connection } from '../connections/connection.js';
import { Refusal } from '../refusal.js';

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

/** The same with data that is encoded already, in pieces. */
export function answerEncoded(connection: Connection, { id }: Message, data: readonly Uint8Array[]): void {
  if (id === undefined) return;
  const head = Buffer.from(`{"id":${JSON.stringify(id)},"data":`);
  connection.sendPayload(Buffer.concat([head, ...data, CLOSING_BRACE]));
}

const CLOSING_BRACE = Buffer.from('}');

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

/** What the application does with one connection's messages. */
export interface ApplicationHandlers {
  /** What the event's handler returns: a value, a promise, an Observable; `unknownEvent` where there is none. */
  handle(message: Message): unknown;
}

/** The answer to an event that nobody handles. */
export function unknownEvent(): Refusal {
  return new Refusal('unknown_event', 'no handler for this event');
}

/** What the pipeline tells of failures that only the operator should see. */
export type ReportFault = (fault: {
  readonly event: string;
  readonly error: unknown;
  readonly body: ErrorBody;
}) => void;

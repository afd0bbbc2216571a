import { CLOSE, decodeMessage, SYSTEM, type Decoded, type ErrorBody, type Message } from '@aerie/protocol';
import { isObservable, type Subscription } from 'rxjs';
import type { Connection } from '../connections/connection.js';
import { within } from '../deadline.js';
import { errorBody, expectedError } from '../expected-error.js';
import type { RealtimeMetrics } from '../metrics/meter.js';
import { Refusal } from '../refusal.js';
import { badFrame, errorFrame } from './error-frame.js';
import { runWithMessage, type MessageContext } from './message-context.js';
import {
  ANSWERED,
  type ApplicationHandlers,
  type ReportFault,
  type SystemHandlers,
} from './message-handlers.js';
import { isWsResponse, plainReply, sendStream } from './reply-stream.js';
import { TokenBucket } from './token-bucket.js';

const QUEUED_MESSAGES = 64;
const OPEN_STREAMS = 32;
const BAD_FRAME_COST = 10;
const BAD_FRAMES = 100;
const BAD_FRAME_WINDOW_MS = 10_000;
const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** These answer at once, whatever the application's handlers are doing. */
const NEVER_QUEUED = new Set<string>([SYSTEM.ping, SYSTEM.auth, SYSTEM.ack, SYSTEM.unsubscribe]);

export interface MessageLimits {
  readonly messagesPerSecond: number;
  readonly burst: number;
  /** Handlers at a time per connection. */
  readonly concurrency: number;
  /** After this a message is answered with `timeout`. Milliseconds. */
  readonly deadlineMs: number;
}

export interface MessageStreamOptions {
  readonly connection: Connection;
  readonly system: SystemHandlers;
  readonly application: ApplicationHandlers;
  readonly limits: MessageLimits;
  readonly metrics: RealtimeMetrics;
  readonly reportFault: ReportFault;
}

interface OpenStream {
  readonly message: Message;
  readonly context: MessageContext;
  readonly subscription: Subscription;
}

/**
 * The messages of one connection, in order: limits, decoding, one handler at a time, replies. Up to 64 wait; past that
 * reading stops, so that the peer's own TCP window holds the rest. Nothing runs before `open`.
 */
export class MessageStream {
  readonly #options: MessageStreamOptions;
  readonly #connection: Connection;
  readonly #bucket: TokenBucket;
  readonly #queue: Message[] = [];
  readonly #streams = new Set<Subscription>();
  readonly #running = new Set<Message>();
  #isOpen = false;
  #ended = false;
  #badFrames = 0;
  #badFramesSince = 0;
  #paused = false;

  constructor(options: MessageStreamOptions) {
    this.#options = options;
    this.#connection = options.connection;
    this.#bucket = new TokenBucket(options.limits.messagesPerSecond, options.limits.burst);
  }

  /** `$welcome` is queued: what has arrived so far may be answered. */
  open(): void {
    this.#isOpen = true;
    this.#next();
  }

  /** The connection is gone: nothing more is started, open streams of replies are released. */
  end(): void {
    this.#ended = true;
    this.#queue.length = 0;
    for (const stream of this.#streams) stream.unsubscribe();
    this.#streams.clear();
  }

  receive(data: Buffer, isBinary: boolean): void {
    if (!this.#connection.isOpen || this.#ended) return;
    this.#options.metrics.messagesReceived.inc();
    const decoded = decode(data, isBinary);
    if (!this.#bucket.take(decoded.ok ? 1 : BAD_FRAME_COST)) return this.#connection.close(CLOSE.rateLimited);
    if (decoded.ok) this.#accept(decoded.message);
    else this.#refuseFrame(decoded);
  }

  #accept(message: Message): void {
    if (this.#isOpen && this.#overtakes(message)) {
      void this.#handle(message);
      return;
    }
    this.#queue.push(message);
    if (this.#queue.length >= QUEUED_MESSAGES) this.#pause();
    this.#next();
  }

  // An `$unsubscribe` must not overtake the `$subscribe` that it takes back.
  #overtakes(message: Message): boolean {
    if (!NEVER_QUEUED.has(message.event)) return false;
    if (message.event !== SYSTEM.unsubscribe) return true;
    return !isSubscribing(this.#queue) && !isSubscribing(this.#running);
  }

  #mustWait({ event }: Message): boolean {
    return event === SYSTEM.unsubscribe && isSubscribing(this.#running);
  }

  #refuseFrame(decoded: Extract<Decoded, { ok: false }>): void {
    this.#options.metrics.messageError(decoded.error.code);
    const now = performance.now();
    if (now - this.#badFramesSince > BAD_FRAME_WINDOW_MS) {
      this.#badFrames = 0;
      this.#badFramesSince = now;
    }
    this.#badFrames += 1;
    if (this.#badFrames >= BAD_FRAMES) return this.#connection.close(CLOSE.policy);
    this.#connection.sendPayload(badFrame(decoded.id, decoded.error));
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#connection.pauseReading();
  }

  #resume(): void {
    if (!this.#paused || this.#queue.length > QUEUED_MESSAGES / 2) return;
    this.#paused = false;
    this.#connection.resumeReading();
  }

  #next(): void {
    while (this.#isOpen && !this.#ended && this.#running.size < this.#options.limits.concurrency) {
      const [message] = this.#queue;
      if (message === undefined || this.#mustWait(message)) return;
      this.#queue.shift();
      this.#running.add(message);
      void this.#handle(message).finally(() => {
        this.#running.delete(message);
        this.#next();
      });
      this.#resume();
    }
  }

  async #handle(message: Message): Promise<void> {
    const context: MessageContext = { message, failed: false };
    const startedAt = performance.now();
    try {
      const result = await runWithMessage(context, () => this.#withDeadline(this.#dispatch(message)));
      if (context.failed) this.#fail(message, context.failure);
      else if (isObservable(result)) runWithMessage(context, () => this.#stream(message, context, result));
      else this.#reply(message, result);
    } catch (error) {
      this.#fail(message, error);
    }
    this.#options.metrics.messageHandled(performance.now() - startedAt);
  }

  async #dispatch(message: Message): Promise<unknown> {
    const system = message.event.startsWith('$') ? this.#options.system.get(message.event) : undefined;
    if (system !== undefined) return this.#answerSystem(await system(this.#connection, message), message);
    const handler = message.event.startsWith('$') ? undefined : this.#options.application.get(message.event);
    if (handler === undefined) return new Refusal('unknown_event', 'no handler for this event');
    return handler(message);
  }

  // Without an id nobody waits for the system's answer, unless it is an event of its own (`$pong`).
  #answerSystem(result: unknown, message: Message): unknown {
    if (result === ANSWERED) return ANSWERED;
    return message.id !== undefined || result instanceof Refusal || isWsResponse(result) ? result : ANSWERED;
  }

  #withDeadline(work: Promise<unknown>): Promise<unknown> {
    return within(this.#options.limits.deadlineMs, work, () => {
      work.catch((error: unknown) =>
        this.#options.reportFault({ event: 'late failure', error, body: errorBody(error) }),
      );
      return new Refusal('timeout', 'the handler took too long');
    });
  }

  #stream(message: Message, context: MessageContext, values: Parameters<typeof sendStream>[0]): void {
    if (this.#streams.size >= OPEN_STREAMS)
      return this.#fail(message, new Refusal('limit_exceeded', 'too many open streams'));
    const { subscription, settled } = sendStream(values, {
      id: message.id,
      send: (frame) => {
        if (!context.failed) this.#send(frame);
      },
      fail: (error) => {
        context.failed = true;
        context.failure = error;
      },
    });
    this.#streams.add(subscription);
    void this.#whenStreamed(settled, { message, context, subscription });
  }

  async #whenStreamed(settled: Promise<void>, { message, context, subscription }: OpenStream): Promise<void> {
    await settled;
    this.#streams.delete(subscription);
    if (context.failed) this.#fail(message, context.failure);
  }

  #reply(message: Message, result: unknown): void {
    if (result === ANSWERED) return;
    if (result instanceof Refusal) this.#fail(message, result);
    else if (message.id !== undefined) this.#send(plainReply(message.id, result));
    else if (result !== undefined && result !== null) this.#send(result);
  }

  #send(frame: unknown): void {
    if (this.#connection.isOpen) this.#connection.sendPayload(JSON.stringify(frame));
  }

  #fail(message: Message, error: unknown): void {
    const body: ErrorBody = errorBody(error);
    if (expectedError(error) === undefined) this.#options.reportFault({ event: message.event, error, body });
    this.#options.metrics.messageError(body.code);
    if (this.#connection.isOpen) this.#connection.sendPayload(errorFrame(message.id, body));
  }
}

function isSubscribing(messages: Iterable<Message>): boolean {
  for (const { event } of messages) if (event === SYSTEM.subscribe) return true;
  return false;
}

// Nest's ws adapter takes JSON in binary frames too; anything else in them is a bad frame.
function decode(data: Buffer, isBinary: boolean): Decoded {
  if (!isBinary) return decodeMessage(data.toString('utf8'));
  try {
    return decodeMessage(UTF8.decode(data));
  } catch {
    return { ok: false, error: { code: 'bad_frame', message: 'not UTF-8' } };
  }
}

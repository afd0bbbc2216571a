import { CLOSE, SYSTEM, type Decoded, type Message, type NoMessage } from '@aerie/protocol';
import type { Connection } from '../connections/connection.js';
import { badFrame } from './error-frame.js';
import { decoderOf } from './frame-decoder.js';
import { MessageAnswers, type MessageAnswersOptions } from './message-answers.js';
import type { ApplicationHandlers } from './message-handlers.js';
import { TokenBucket } from './token-bucket.js';

const QUEUED_MESSAGES = 64;
const BAD_FRAME_COST = 10;
const BAD_FRAMES = 100;
const BAD_FRAME_WINDOW_MS = 10_000;

/** These answer at once, whatever the application's handlers are doing. */
const NEVER_QUEUED = new Set<string>([SYSTEM.ping, SYSTEM.auth, SYSTEM.ack, SYSTEM.unsubscribe]);

export interface MessageLimits {
  readonly messagesPerSecond: number;
  readonly burst: number;
  /** Handlers at a time per connection. */
  readonly concurrency: number;
}

export interface MessageStreamOptions extends MessageAnswersOptions {
  readonly limits: MessageLimits;
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
  readonly #answers: MessageAnswers;
  readonly #running: Message[] = [];
  #isOpen = false;
  #ended = false;
  #badFrames = 0;
  #badFramesSince = 0;
  #paused = false;
  #advancing = false;

  constructor(connection: Connection, application: ApplicationHandlers, options: MessageStreamOptions) {
    this.#options = options;
    this.#connection = connection;
    this.#answers = new MessageAnswers(options, { connection, application, released: this.#released });
    this.#bucket = new TokenBucket(options.limits.messagesPerSecond, options.limits.burst);
  }

  /** `$welcome` is queued: what has arrived so far may be answered. */
  open(): void {
    this.#isOpen = true;
    this.#advance();
  }

  /** The connection is gone: nothing more is started, open streams of replies are released. */
  end(): void {
    this.#ended = true;
    this.#queue.length = 0;
    this.#answers.end();
  }

  receive(data: Buffer, isBinary: boolean): void {
    if (!this.#connection.isOpen || this.#ended) return;
    this.#options.metrics.messagesReceived.inc();
    this.#take(decoderOf(this.#connection.subprotocol)(data, isBinary));
  }

  /** A transport found what arrived to be no message. */
  refuse(frame: NoMessage): void {
    if (!this.#connection.isOpen || this.#ended) return;
    this.#options.metrics.messagesReceived.inc();
    this.#take(frame);
  }

  #take(decoded: Decoded): void {
    if (!this.#bucket.take(decoded.ok ? 1 : BAD_FRAME_COST)) return this.#connection.close(CLOSE.rateLimited);
    if (decoded.ok) this.#accept(decoded.message);
    else this.#refuseFrame(decoded);
  }

  #accept(message: Message): void {
    if (this.#isOpen && this.#overtakes(message)) return this.#answers.run(message);
    if (this.#queue.length === 0 && !this.#advancing && this.#mayBegin() && !this.#mustWait(message))
      return this.#begin(message);
    this.#queue.push(message);
    if (this.#queue.length >= QUEUED_MESSAGES) this.#pause();
    this.#advance();
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

  #refuseFrame(decoded: NoMessage): void {
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
    while (this.#mayBegin()) {
      const message = this.#queue[0];
      if (message === undefined || this.#mustWait(message)) return;
      this.#queue.shift();
      this.#begin(message);
      this.#resume();
    }
  }

  #mayBegin(): boolean {
    if (!this.#isOpen || this.#ended || !this.#connection.isOpen || this.#answers.crowded) return false;
    return this.#running.length < this.#options.limits.concurrency;
  }

  #begin(message: Message): void {
    this.#running.push(message);
    this.#answers.run(message);
  }

  // What overtook the others never was among those that run.
  readonly #released = (message: Message): void => {
    const place = this.#running.indexOf(message);
    if (place >= 0) this.#running.splice(place, 1);
    this.#advance();
  };

  // A loop that begins messages goes on by itself: it must not be entered again from within.
  #advance(): void {
    if (this.#advancing) return;
    this.#advancing = true;
    try {
      this.#next();
    } finally {
      this.#advancing = false;
    }
  }
}

function isSubscribing(messages: readonly Message[]): boolean {
  return messages.some(({ event }) => event === SYSTEM.subscribe);
}

import type { Welcome } from '@aerie/protocol';
import type { Encoded } from './codec.js';
import { OutboundQueue, type QueuedFrame } from './outbound-queue.js';
import { Pace } from './pace.js';

/** So many of the client's own requests are under way at a time: a slow server must not time them all out. */
const MAX_UNANSWERED = 16;

/** A frame on its way to the server. */
export interface OutgoingFrame extends QueuedFrame {
  readonly id: number;
  /** The client's own: goes ahead of the application's messages, on this connection or not at all. */
  readonly own: boolean;
  /** Runs when it leaves. */
  readonly sent: () => void;
}

interface Carrier {
  readonly welcome: Welcome | undefined;
  send(encoded: Encoded): void;
}

/**
 * The only way out. What may not leave yet waits here, for a connection or for the pace, in two lanes: the client's own
 * requests, then the application's messages. So a reconnect with many channels neither floods the server nor lets a
 * message overtake a subscription.
 */
export class Outbox {
  readonly #carrier: Carrier;
  readonly #pace = new Pace();
  readonly #own = new Map<number, OutgoingFrame>();
  readonly #unanswered = new Set<number>();
  readonly #messages = new OutboundQueue<OutgoingFrame>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(carrier: Carrier) {
    this.#carrier = carrier;
  }

  /** @throws RealtimeError when it can neither be sent nor kept. */
  post(frame: OutgoingFrame): void {
    if (this.#isFree(frame) && this.#pace.take() === 0) return this.#send(frame);
    if (frame.own) this.#own.set(frame.id, frame);
    else this.#messages.push(frame);
    this.flush();
  }

  /** Sends what may leave now; the rest follows by itself. */
  flush(): void {
    clearTimeout(this.#timer);
    for (let frame = this.#next(); frame; frame = this.#next()) {
      const waitMs = this.#pace.take();
      if (waitMs > 0) {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.flush(), waitMs);
        return;
      }
      this.#remove(frame.id);
      try {
        this.#send(frame);
      } catch (error) {
        frame.fail(error);
      }
    }
  }

  /** A request that ended, for whatever reason: if it still waits, it is not sent any more. */
  ended(id: number): void {
    this.#remove(id);
    if (this.#unanswered.delete(id)) this.flush();
  }

  holds(id: number): boolean {
    return this.#messages.has(id);
  }

  /** There is a new connection. Nothing leaves before `post` or `flush`. */
  opened(): void {
    this.#pace.opened();
  }

  /** The connection is gone, closed with `code`; messages that have not left wait for the next. */
  cut(code: number): void {
    clearTimeout(this.#timer);
    this.#pace.closed(code);
    this.#own.clear();
    this.#unanswered.clear();
  }

  /** Takes out every message that waits. */
  drain(): OutgoingFrame[] {
    return this.#messages.drain();
  }

  #isFree({ own }: OutgoingFrame): boolean {
    if (!this.#carrier.welcome || this.#own.size > 0) return false;
    return own ? this.#hasRoom : this.#messages.first === undefined;
  }

  #next(): OutgoingFrame | undefined {
    if (!this.#carrier.welcome) return undefined;
    const [own] = this.#own.values();
    if (own) return this.#hasRoom ? own : undefined;
    return this.#messages.first;
  }

  get #hasRoom(): boolean {
    return this.#unanswered.size < MAX_UNANSWERED;
  }

  #send(frame: OutgoingFrame): void {
    this.#carrier.send(frame.encoded);
    if (frame.own) this.#unanswered.add(frame.id);
    frame.sent();
  }

  #remove(id: number): void {
    this.#own.delete(id);
    this.#messages.remove(id);
  }
}

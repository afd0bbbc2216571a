import { RealtimeError } from './errors.js';

const MAX_MESSAGES = 100;
const MAX_BYTES = 256 * 1024;

/** A frame that waits for the connection. */
export interface QueuedFrame {
  readonly text: string;
  /** UTF-8. */
  readonly bytes: number;
  readonly fail: (error: unknown) => void;
}

/** What was sent while there was no connection: at most 100 messages and 256 KiB, in order. */
export class OutboundQueue {
  readonly #frames = new Map<number, QueuedFrame>();
  #bytes = 0;

  /** @throws RealtimeError `overloaded` when full. */
  push(id: number, frame: QueuedFrame): void {
    if (this.#frames.size >= MAX_MESSAGES || this.#bytes + frame.bytes > MAX_BYTES) {
      throw new RealtimeError({ code: 'overloaded', message: 'Too much is waiting for the connection' });
    }
    this.#frames.set(id, frame);
    this.#bytes += frame.bytes;
  }

  remove(id: number): void {
    this.#bytes -= this.#frames.get(id)?.bytes ?? 0;
    this.#frames.delete(id);
  }

  /** Takes everything out, oldest first. */
  drain(): QueuedFrame[] {
    const frames = [...this.#frames.values()];
    this.#frames.clear();
    this.#bytes = 0;
    return frames;
  }
}

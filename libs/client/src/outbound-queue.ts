import type { Encoded } from './codec.js';
import { failure } from './errors.js';

const MAX_MESSAGES = 100;
const MAX_BYTES = 256 * 1024;

/** A frame that waits for its turn. */
export interface QueuedFrame {
  readonly id: number;
  readonly encoded: Encoded;
  readonly bytes: number;
  readonly fail: (error: unknown) => void;
}

/** Messages that wait: at most 100 and 256 KiB, in order. */
export class OutboundQueue<Frame extends QueuedFrame> {
  readonly #frames = new Map<number, Frame>();
  #bytes = 0;

  get first(): Frame | undefined {
    const [first] = this.#frames.values();
    return first;
  }

  has(id: number): boolean {
    return this.#frames.has(id);
  }

  /** @throws RealtimeError `overloaded` when full. */
  push(frame: Frame): void {
    if (this.#frames.size >= MAX_MESSAGES || this.#bytes + frame.bytes > MAX_BYTES) {
      throw failure('overloaded', 'Too many messages are waiting');
    }
    this.#frames.set(frame.id, frame);
    this.#bytes += frame.bytes;
  }

  remove(id: number): void {
    this.#bytes -= this.#frames.get(id)?.bytes ?? 0;
    this.#frames.delete(id);
  }

  /** Takes everything out, oldest first. */
  drain(): Frame[] {
    const frames = [...this.#frames.values()];
    this.#frames.clear();
    this.#bytes = 0;
    return frames;
  }
}

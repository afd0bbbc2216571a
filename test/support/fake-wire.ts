import type { Close } from '@aerie/protocol';
import { Wire, type Framing } from '../../libs/realtime/src/connections/wire.js';

/** Adds no header, so that specs read what was sent. */
export const bareFraming: Framing = {
  name: 'bare',
  frame: (payload) => Buffer.from(payload),
  binary: (payload) => Buffer.from(payload),
};

interface Waiting {
  readonly bytes: Uint8Array;
  left: number;
  readonly taken: (() => void) | undefined;
}

/**
 * A wire without a network. Like a socket it holds what its kernel has no room for, and calls back later, never at once.
 */
export class FakeWire extends Wire {
  readonly transport = 'websocket';
  readonly subprotocol = '';
  /** Everything that the kernel took, in order. */
  readonly sent: Buffer[] = [];
  readonly goodbyes: (Close | { readonly code: number | undefined })[] = [];
  /** Sizes of single writes. */
  readonly writes: number[] = [];
  pings = 0;
  paused = false;
  destroyed = false;
  /** How many bytes the kernel takes before it is full. */
  room: number;
  onDestroy: () => void = () => undefined;
  onGoodbye: () => void = () => undefined;
  readonly #waiting: Waiting[] = [];
  #buffered = 0;

  constructor(
    room = Infinity,
    readonly framing: Framing = bareFraming,
  ) {
    super();
    this.room = room;
  }

  get bufferedBytes(): number {
    return this.#buffered;
  }

  get text(): string {
    return Buffer.concat(this.sent).toString('utf8');
  }

  /** The frames sent so far, where each is one JSON text and was written by itself. */
  get frames(): unknown[] {
    return this.sent.map((bytes): unknown => JSON.parse(bytes.toString('utf8')));
  }

  write(bytes: Uint8Array, taken?: () => void): void {
    if (this.destroyed) return;
    this.writes.push(bytes.byteLength);
    this.#waiting.push({ bytes, left: bytes.byteLength, taken });
    this.#buffered += bytes.byteLength;
    this.#pump();
  }

  /** The peer reads: the kernel has room for so many bytes more. */
  drain(bytes: number): void {
    this.room += bytes;
    this.#pump();
  }

  ping(): void {
    this.pings += 1;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  close(close: Close): void {
    this.goodbyes.push(close);
    this.onGoodbye();
  }

  answerClose(code: number | undefined): void {
    this.goodbyes.push({ code });
    this.onGoodbye();
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.onDestroy();
  }

  #pump(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const count = Math.min(first.left, this.room);
      const from = first.bytes.byteLength - first.left;
      if (count > 0) this.sent.push(Buffer.from(first.bytes.subarray(from, from + count)));
      first.left -= count;
      this.room -= count;
      this.#buffered -= count;
      if (first.left > 0) return;
      this.#waiting.shift();
      const { taken } = first;
      if (taken !== undefined) queueMicrotask(() => this.destroyed || taken());
    }
  }
}

import { type Close, SYSTEM } from '@aerie/protocol';
import { type ComingBack, HttpWire } from '../http-wire.js';
import { lineFraming, markLine, placesIn } from './line-framing.js';

const LINE_FEED = 0x0a;
/** What one batch carries, and the end of the frame that is begun by then. Bytes. */
const BATCH_BYTES = 256 * 1024;

interface Handed {
  readonly bytes: Uint8Array;
  readonly taken: (() => void) | undefined;
}

/** What one answer brings. */
export interface Batch {
  /** Where the client stands behind it. */
  readonly id: string;
  /** Frames, as the elements of a JSON array. */
  readonly frames: Buffer;
}

/** Keeps what is sent until the next poll takes it, a batch at a time. Its peer's kernel is the batch. */
export class PollWire extends HttpWire {
  readonly transport = 'long-polling';
  readonly framing = lineFraming;
  #handed: Handed[] = [];
  #handedBytes = 0;
  /** The begun frame behind the last batch. */
  #rest: Uint8Array = new Uint8Array();
  #places: string;
  #isClosing = false;
  #isGone = false;
  #onNews: () => void = () => undefined;
  #onClosed: () => void = () => undefined;

  constructor(comingBack: ComingBack) {
    super(comingBack);
    this.#places = this.id.places;
  }

  /** What is in no batch yet. */
  get bufferedBytes(): number {
    return this.#handedBytes + this.#rest.byteLength;
  }

  /** The goodbye is in a batch: there is nothing to follow. */
  get isOver(): boolean {
    return this.#isClosing && this.bufferedBytes === 0;
  }

  /** Where the client stands behind the last batch. */
  get lastId(): string {
    return this.id.proof() + this.#places;
  }

  /** Calls `listener` whenever there is something to take. */
  onNews(listener: () => void): void {
    this.#onNews = listener;
  }

  onClosed(listener: () => void): void {
    this.#onClosed = listener;
  }

  write(bytes: Uint8Array, taken?: () => void): void {
    if (this.#isGone) return;
    this.#handed.push({ bytes, taken });
    this.#handedBytes += bytes.byteLength;
    this.#onNews();
  }

  /** The frames that are whole by now, or undefined where there is nothing. */
  takeBatch(): Batch | undefined {
    const bytes = this.#takeBytes();
    const end = bytes.lastIndexOf(LINE_FEED) + 1;
    // A copy: a part of it would keep the whole in memory.
    this.#rest = Buffer.from(bytes.subarray(end));
    if (end === 0) return undefined;
    const frames: string[] = [];
    for (const line of bytes.toString('utf8', 0, end - 1).split('\n')) {
      const places = placesIn(line);
      if (places === undefined) frames.push(line);
      else this.#places = places;
    }
    return { id: this.lastId, frames: Buffer.from(frames.join(',')) };
  }

  /** The client shows life by its polls. */
  ping(): void {}

  close({ code, reason }: Close): void {
    this.#isClosing = true;
    this.write(
      lineFraming.frame(Buffer.from(JSON.stringify({ event: SYSTEM.close, data: { code, reason } }))),
    );
  }

  answerClose(): void {
    this.destroy();
  }

  destroy(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#handed = [];
    this.#handedBytes = 0;
    this.#rest = new Uint8Array();
    // As a socket would: never in the step that ends it.
    setImmediate(() => this.#onClosed());
  }

  override idMark(): Buffer {
    return markLine(this.id.places);
  }

  // Telling that bytes were taken brings more of them, so that a frame that is larger than the outbox hands over comes whole.
  #takeBytes(): Buffer {
    const parts = [this.#rest];
    let bytes = this.#rest.byteLength;
    this.#rest = new Uint8Array();
    for (let next = this.#handed.shift(); next !== undefined; next = this.#handed.shift()) {
      parts.push(next.bytes);
      bytes += next.bytes.byteLength;
      this.#handedBytes -= next.bytes.byteLength;
      next.taken?.();
      if (bytes >= BATCH_BYTES && next.bytes.includes(LINE_FEED)) break;
    }
    return Buffer.concat(parts);
  }
}

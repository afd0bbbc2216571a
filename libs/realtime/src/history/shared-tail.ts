import type { Position } from '@aerie/protocol';
import type { HistoryPage } from './history.js';
import { withOffset } from './offset-frame.js';

const MAX_BYTES = 1024 * 1024;

/** Reads a page of what lies behind `after`, up to and with `through`. */
export type ReadBetween = (range: { after: number; through: number }) => Promise<HistoryPage>;

/**
 * What a cursor delivered lately, as it went over the wire: recorded from the first one who needs it on, and read further
 * back for those who have been away longer. So that many who come back at once share few readings. 1 MiB at most.
 */
export class SharedTail {
  readonly #epoch: string;
  /** It holds everything behind this offset. */
  #base: number;
  /** What lies behind a lower offset than this one can't be brought. */
  #floor = 0;
  #frames: Buffer[] = [];
  #bytes = 0;
  #reading: Promise<boolean> | undefined;

  /** @param at Where the cursor stands when it begins to record. */
  constructor({ epoch, offset }: Position) {
    this.#epoch = epoch;
    this.#base = offset;
  }

  get bytes(): number {
    return this.#bytes;
  }

  covers(after: number): boolean {
    return after >= this.#base;
  }

  /** Everything behind an offset; undefined where it does not reach so far back. */
  since(after: number): readonly Buffer[] | undefined {
    return this.covers(after) ? this.#frames.slice(after - this.#base) : undefined;
  }

  /** Records the next frame. */
  push(frame: Buffer): void {
    this.#frames.push(frame);
    this.#bytes += frame.byteLength;
    while (this.#bytes > MAX_BYTES) this.#dropHalf();
  }

  /**
   * Reaches further back. False where what lies between is gone, or too much. One reading at a time: who comes meanwhile
   * waits for it, and has to look again whether that reached its own offset.
   */
  extend(after: number, read: ReadBetween): Promise<boolean> {
    if (after < this.#floor) return Promise.resolve(false);
    if (this.#reading !== undefined) return this.#reading.then(() => true);
    this.#reading = this.#tryBack(after, read);
    return this.#reading;
  }

  async #tryBack(after: number, read: ReadBetween): Promise<boolean> {
    try {
      const reached = await this.#readBack(after, read);
      // Histories lose their oldest only: nobody needs to try for less.
      if (!reached) this.#floor = after + 1;
      return reached;
    } finally {
      this.#reading = undefined;
    }
  }

  async #readBack(after: number, read: ReadBetween): Promise<boolean> {
    const through = this.#base;
    const frames: Buffer[] = [];
    let bytes = 0;
    for (let at = after; at < through; at = after + frames.length) {
      const { epoch, entries } = await read({ after: at, through });
      if (epoch !== this.#epoch || entries[0]?.offset !== at + 1) return false;
      frames.push(...entries.map(({ frame, offset }) => withOffset(frame, offset)));
      bytes = frames.reduce((sum, { byteLength }) => sum + byteLength, 0);
      // It may have dropped frames itself meanwhile.
      if (bytes + this.#bytes > MAX_BYTES || this.#base !== through) return false;
    }
    this.#frames = [...frames, ...this.#frames];
    this.#bytes += bytes;
    this.#base = after;
    return true;
  }

  #dropHalf(): void {
    const dropped = this.#frames.splice(0, Math.ceil(this.#frames.length / 2));
    this.#base += dropped.length;
    this.#bytes -= dropped.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }
}

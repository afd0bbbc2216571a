import type { Position } from '@aerie/protocol';
import type { HistoryEntry } from '../history/history.js';

/** What a stream costs beside its frames, and an entry beside its own. */
const STREAM_BYTES = 500;
const ENTRY_BYTES = 100;
/** Trimmed heads stay in the array until they are so many. */
const COMPACT_AT = 64;

interface Entry extends HistoryEntry {
  readonly at: number;
}

/** The entries of one channel in one epoch. */
export class MemoryStream {
  readonly #epoch: string;
  #entries: Entry[] = [];
  #oldest = 0;
  #last = 0;
  /** What it holds in memory, about. */
  bytes = STREAM_BYTES;
  expiresAt = 0;

  constructor(epoch: string) {
    this.#epoch = epoch;
  }

  get position(): Position {
    return { epoch: this.#epoch, offset: this.#last };
  }

  /** Returns by how many bytes it grew. */
  append(frame: Uint8Array, size: number): number {
    const before = this.bytes;
    this.#last += 1;
    this.#entries.push({ offset: this.#last, frame, at: Date.now() });
    this.bytes += frame.byteLength + ENTRY_BYTES;
    while (this.#entries.length - this.#oldest > size) this.#shift();
    this.#compact();
    return this.bytes - before;
  }

  /** Drops what is older, or as old; returns how many bytes that were. */
  trim(before: number): number {
    const bytes = this.bytes;
    while ((this.#entries[this.#oldest]?.at ?? Infinity) <= before) this.#shift();
    this.#compact();
    return bytes - this.bytes;
  }

  *readAfter(offset: number): Iterable<HistoryEntry> {
    const first = this.#entries[this.#oldest]?.offset ?? 0;
    const start = this.#oldest + Math.max(0, offset + 1 - first);
    for (let index = start; index < this.#entries.length; index += 1) {
      const entry = this.#entries[index];
      if (entry !== undefined) yield entry;
    }
  }

  #shift(): void {
    this.bytes -= (this.#entries[this.#oldest]?.frame.byteLength ?? 0) + ENTRY_BYTES;
    this.#oldest += 1;
  }

  #compact(): void {
    if (this.#oldest < COMPACT_AT || this.#oldest * 2 < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#oldest);
    this.#oldest = 0;
  }
}

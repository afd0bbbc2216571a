import type { Position } from '@aerie/protocol';

/** A frame as the backplane brought it. */
export interface LiveFrame {
  readonly frame: Uint8Array;
  readonly position: Position;
}

const MAX_FRAMES = 1_000;
const MAX_BYTES = 1024 * 1024;

/** Live frames that came while a cursor was reading, in order. Past 1,000 of them or 1 MiB the later ones are dropped. */
export class WaitingFrames {
  #frames: LiveFrame[] = [];
  #bytes = 0;
  #dropped = false;

  add(live: LiveFrame): void {
    this.#dropped ||= this.#frames.length >= MAX_FRAMES || this.#bytes >= MAX_BYTES;
    if (this.#dropped) return;
    this.#frames.push(live);
    this.#bytes += live.frame.byteLength;
  }

  clear(): void {
    this.#frames = [];
    this.#bytes = 0;
    this.#dropped = false;
  }

  /** Forgets all of them; true where each was taken and none had been dropped. */
  drain(take: (live: LiveFrame) => boolean): boolean {
    const [frames, dropped] = [this.#frames, this.#dropped];
    this.clear();
    return frames.every(take) && !dropped;
  }
}

import type { Position } from '@aerie/protocol';
import type { Checked } from '../check-rounds.js';
import type { History, HistoryChannel, HistoryEntry, HistoryPage } from './history.js';
import { withOffset } from './offset-frame.js';
import { SharedTail } from './shared-tail.js';
import { type LiveFrame, WaitingFrames } from './waiting-frames.js';

/** Why a cursor could not go on: the history began anew, or what comes next is no longer in it. */
export type Loss = 'new_epoch' | 'gone';

export interface ChannelCursorOptions extends HistoryChannel {
  readonly store: Pick<History, 'read' | 'position'>;
  /** Hands a publication to the channel's members on this node. */
  readonly deliver: (frame: Uint8Array, position: Position) => void;
  /** Publications are lost to every member: the cursor jumped to `position`. */
  readonly lost: (loss: Loss) => void;
  /** A gap was closed by reading. */
  readonly healed: () => void;
}

const PAGE_ENTRIES = 500;
const PAGE_BYTES = 512 * 1024;

/**
 * One node's place in one channel: whatever the backplane brings passes here in the order of the history. The next offset
 * goes on; a later one means that something was missed, which is then read, once, while live frames wait. What can't be
 * read any more is told as a loss. So members see no gap that they are not told of.
 */
export class ChannelCursor implements Checked {
  readonly #options: ChannelCursorOptions;
  readonly #waiting = new WaitingFrames();
  #at: Position | undefined;
  #tail: SharedTail | undefined;
  #reading: Promise<void> | undefined;
  /** Not known to be where the channel is: before it is opened, while it reads, and after a reading that failed. */
  #behind = true;
  #closed = false;
  active = false;

  constructor(options: ChannelCursorOptions) {
    this.#options = options;
  }

  /** The last publication that was handed to the members; undefined before `open`. */
  get position(): Position | undefined {
    return this.#at;
  }

  /** Whether it was opened: a check would do that too, and nobody would be told. */
  get isReady(): boolean {
    return this.#at !== undefined;
  }

  /** A reading failed. */
  get isStuck(): boolean {
    return this.#behind && this.#reading === undefined && this.#at !== undefined;
  }

  /** What it delivered lately, while it is recorded. */
  get tail(): SharedTail | undefined {
    return this.#tail;
  }

  /** Records what it delivers, from where it stands; only of a cursor that is open. */
  record(): SharedTail {
    if (this.#at === undefined) throw new Error('a cursor records once it is open');
    this.#tail ??= new SharedTail(this.#at);
    return this.#tail;
  }

  stopRecording(): void {
    this.#tail = undefined;
  }

  /** Finds where the channel stands, once the backplane is heard. Rejects with `BackplaneUnavailable`. */
  open(): Promise<void> {
    return this.#at === undefined ? this.catchUp() : Promise.resolve();
  }

  /** Takes what the backplane brought. */
  receive(live: LiveFrame): void {
    this.active = true;
    if (!this.#behind && this.#take(live)) return;
    // A reading that begins now brings this one, too. Where it fails, the node's rounds begin another.
    if (!this.#behind) void this.catchUp().catch(() => undefined);
    else if (!this.isStuck) this.#waiting.add(live);
  }

  async check(): Promise<void> {
    const { store, channel, limits } = this.#options;
    // A reading that was under way already may have been too early.
    if (this.#behind) await this.catchUp();
    const { epoch, offset } = await store.position({ channel, limits });
    const at = this.#at;
    if (at?.epoch !== epoch || at.offset < offset) await this.catchUp();
  }

  /** Reads until nothing is missing. Who calls while it reads shares that reading. Rejects with `BackplaneUnavailable`. */
  catchUp(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#behind = true;
    this.#reading ??= this.#readOn();
    return this.#reading;
  }

  /** A page of the channel's history behind an offset. */
  readonly readBetween = (range: { after: number; through?: number }): Promise<HistoryPage> => {
    const { store, channel, limits } = this.#options;
    return store.read({ channel, limits, limit: PAGE_ENTRIES, maxBytes: PAGE_BYTES, ...range });
  };

  close(): void {
    this.#closed = true;
    this.#waiting.clear();
  }

  async #readOn(): Promise<void> {
    try {
      const { store, channel, limits } = this.#options;
      if (this.#at === undefined) this.#at = await store.position({ channel, limits });
      else await this.#read(this.#at);
      while (!this.#closed && !this.#waiting.drain((live) => this.#take(live))) await this.#read(this.#at);
      this.#behind = false;
    } finally {
      this.#reading = undefined;
    }
  }

  /** True where the frame needs no further thought: it is the next one, or the members have it. */
  #take({ frame, position }: LiveFrame): boolean {
    const at = this.#at;
    if (at?.epoch !== position.epoch || position.offset > at.offset + 1) return false;
    if (position.offset === at.offset + 1) this.#advance({ frame, offset: position.offset });
    return true;
  }

  async #read(from: Position): Promise<void> {
    // What waits was appended before it was announced: this reading has it, or it is of a history that is no more.
    this.#waiting.clear();
    let at = from;
    for (let more = true; more && !this.#closed;) {
      const page = await this.readBetween({ after: at.offset });
      if (this.#closed) return;
      if (!continues(page, at)) return this.#lose(page, at);
      for (const entry of page.entries) this.#advance(entry);
      if (page.entries.length > 0) this.#options.healed();
      at = this.#at ?? at;
      more = at.offset < page.offset;
    }
  }

  #advance({ frame, offset }: HistoryEntry): void {
    if (this.#at === undefined) return;
    this.#at = { epoch: this.#at.epoch, offset };
    const publication = withOffset(frame, offset);
    this.#tail?.push(publication);
    this.#options.deliver(publication, this.#at);
  }

  #lose({ epoch, offset }: HistoryPage, at: Position): void {
    this.#at = { epoch, offset };
    this.#tail = undefined;
    this.#options.lost(epoch === at.epoch ? 'gone' : 'new_epoch');
  }
}

/** Whether a page that was read behind a position goes on from there. */
export function continues({ epoch, offset, entries }: HistoryPage, at: Position): boolean {
  if (epoch !== at.epoch || offset < at.offset) return false;
  return offset === at.offset || entries[0]?.offset === at.offset + 1;
}

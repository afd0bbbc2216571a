import type { Position } from '@aerie/protocol';
import type { RealtimeMetrics } from '../metrics/meter.js';
import type { ChannelCursor } from './channel-cursor.js';
import type { NodeCursors } from './node-cursors.js';
import type { SharedTail } from './shared-tail.js';

/** Publications that one recovery brings at most. */
const MAX_PUBLICATIONS = 5_000;
/** A tail that nobody needed for so long is dropped. */
const TAIL_IDLE_MS = 10_000;
const TAILS_BYTES = 64 * 1024 * 1024;
const TICK_MS = 1_000;

/** Where a member begins; where it came with a position also whether, and with what, it goes on from there. */
export interface Beginning extends Partial<Position> {
  readonly recovered?: boolean;
  readonly publications?: readonly Buffer[];
}

export interface RecoveryOptions {
  readonly cursors: NodeCursors;
  readonly metrics: RealtimeMetrics;
}

/**
 * Lets those who come back go on where they were: what they missed is brought up to the channel's cursor, and there they
 * join, so that the next publication is their next one. Nothing is held back per client, and nothing sorted out.
 */
export class Recovery {
  readonly #options: RecoveryOptions;
  /** Cursors that record a tail, by the time of its last use, the oldest first. */
  readonly #recording = new Map<ChannelCursor, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /**
   * Brings the cursor and its tail to where `begin` can say how a client goes on from its position. Rejects with
   * `BackplaneUnavailable`.
   */
  async prepare(channel: string, position: Position): Promise<void> {
    const cursor = this.#options.cursors.get(channel);
    if (cursor === undefined) return;
    await catchUpWith(cursor, position);
    while (isWithinReach(cursor, position)) {
      const tail = this.#record(cursor);
      if (tail.covers(position.offset) || !(await tail.extend(position.offset, cursor.readBetween))) return;
    }
  }

  /** To be called in the step of the join. `maxBytes` bounds what is brought; past it the client starts anew. */
  begin(channel: string, position: Position | undefined, maxBytes: number): Beginning {
    const cursor = this.#options.cursors.get(channel);
    if (position === undefined) return { ...cursor?.position };
    const publications = cursor && missedBy(cursor, position);
    const bytes = publications?.reduce((sum, { byteLength }) => sum + byteLength, 0) ?? 0;
    const recovered = publications !== undefined && bytes <= maxBytes;
    this.#options.metrics.recovery(recovered ? 'recovered' : 'lost');
    return { ...cursor?.position, recovered, ...(recovered && { publications }) };
  }

  close(): void {
    clearInterval(this.#timer);
    for (const cursor of this.#recording.keys()) this.#forget(cursor);
  }

  #record(cursor: ChannelCursor): SharedTail {
    this.#recording.delete(cursor);
    this.#recording.set(cursor, performance.now());
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref();
    return cursor.record();
  }

  #tick(): void {
    const idleSince = performance.now() - TAIL_IDLE_MS;
    let bytes = 0;
    for (const { tail } of this.#recording.keys()) bytes += tail?.bytes ?? 0;
    for (const [cursor, usedAt] of this.#recording) {
      if (usedAt > idleSince && bytes <= TAILS_BYTES) return;
      bytes -= cursor.tail?.bytes ?? 0;
      this.#forget(cursor);
    }
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #forget(cursor: ChannelCursor): void {
    cursor.stopRecording();
    this.#recording.delete(cursor);
  }
}

/** A client that was on another node may be ahead of this one; a reading that was under way already may be too old. */
async function catchUpWith(cursor: ChannelCursor, position: Position): Promise<void> {
  if (isAhead(position, cursor.position)) await cursor.catchUp();
  if (isAhead(position, cursor.position)) await cursor.catchUp();
}

function isAhead({ epoch, offset }: Position, at: Position | undefined): boolean {
  return at?.epoch !== epoch || offset > at.offset;
}

function isWithinReach({ position: at }: ChannelCursor, { epoch, offset }: Position): boolean {
  if (at?.epoch !== epoch) return false;
  return offset < at.offset && at.offset - offset <= MAX_PUBLICATIONS;
}

/** What follows a position up to the cursor; undefined where that can't be told. */
function missedBy({ position: at, tail }: ChannelCursor, position: Position): readonly Buffer[] | undefined {
  if (at === undefined || isAhead(position, at)) return undefined;
  return position.offset === at.offset ? [] : tail?.since(position.offset);
}

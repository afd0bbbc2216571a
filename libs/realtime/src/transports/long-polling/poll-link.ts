import { CLOSE } from '@aerie/protocol';
import type { Debtor } from '../../connections/outbox-budget.js';
import type { ClientFacade } from '../client-facade.js';
import { HttpLink } from '../http-link.js';
import { CUT, type LinkPorts } from '../link.js';
import type { Batch, PollWire } from './poll-wire.js';

/** Without a poll for so long the client is given up. */
const SILENCE_MS = 30_000;
/** How long the answer to a poll is held back whose place a newer one took: its client asks again at once, and takes it back. */
const REPLACED_MS = 1_000;
/** So many answers are held back; before another one the oldest is given. */
const MOST_REPLACED = 4;
/** Later than this we were the ones who stood still. */
const LATE_MS = 5_000;
/** Timers are this early at most. */
const EARLY_MS = 50;

/** A client that asks for what there is behind the batch it got last. */
export interface Poll {
  /** Tells it from others of the same connection. */
  readonly name: string;
  /** The cursor of the last batch that the client has; 0 before the first. */
  readonly cursor: number;
  /** How long it waits where there is nothing. Milliseconds. */
  readonly holdMs: number;
}

/** `batch`: frames, perhaps none; `stale`: the cursor is not the last one; `gone`: the connection has ended. */
export type Polled =
  | { readonly state: 'batch'; readonly cursor: number; readonly id: string; readonly frames: string }
  | { readonly state: 'stale' | 'gone' };

interface Waiting {
  readonly name: string;
  readonly answer: (polled: Polled) => void;
  readonly timer: NodeJS.Timeout;
}

/** Ties the polls of one client to its Connection: one waits at a time, and a batch is kept until the next cursor says that it came. */
export class PollLink extends HttpLink implements Debtor {
  readonly #wire: PollWire;
  /** Of the last batch that the client is known to have. */
  #cursor = 0;
  /** What it may not have got yet. */
  #batch: Batch | undefined;
  #waiting: Waiting | undefined;
  /** Polls that lost their place, and what each is answered. */
  readonly #replaced = new Map<Waiting, Polled>();
  #silence: NodeJS.Timeout | undefined;
  #silentSince = 0;
  #isAnswering = false;
  #isOver = false;
  #end: { code: number; reason: string; silentMs?: number } = { code: CUT, reason: '' };

  constructor(wire: PollWire, client: ClientFacade, ports: LinkPorts) {
    super(wire, client, ports);
    this.#wire = wire;
  }

  /** What the node's budget counts beside the outbox: the batch that the client may not have got. */
  get bytesOwed(): number {
    return this.#batch?.frames.byteLength ?? 0;
  }

  shed(): void {
    if (this.connection.isOpen) this.connection.overflowed();
    else this.connection.destroy();
  }

  start(): void {
    this.#wire.onNews(() => this.#news());
    this.#wire.onClosed(() => this.#closed());
    this.#listen();
  }

  /** Resolves with what there is behind the cursor, as soon as there is something. A poll that waits already gets nothing. */
  poll({ name, cursor, holdMs }: Poll): Promise<Polled> {
    if (this.#isOver) return Promise.resolve({ state: 'gone' });
    if (!this.#acknowledge(cursor)) return Promise.resolve({ state: 'stale' });
    if (this.#batch === undefined && this.#wire.isOver) {
      this.connection.destroy();
      return Promise.resolve({ state: 'gone' });
    }
    this.#replace();
    clearTimeout(this.#silence);
    return new Promise((answer) => {
      const timer = setTimeout(() => this.#settle(this.#nothing()), holdMs);
      this.#waiting = { name, answer, timer };
      this.#news();
    });
  }

  /** Whoever sent this poll went away: it must not count as a sign of life. */
  abandon(name: string): void {
    if (this.#waiting?.name === name) this.#settle(this.#nothing());
    for (const [replaced, polled] of this.#replaced)
      if (replaced.name === name) this.#release(replaced, polled);
  }

  /** The client says goodbye. */
  leave(): void {
    this.#end = { code: CLOSE.normal.code, reason: '' };
    this.connection.peerCloses();
  }

  #acknowledge(cursor: number): boolean {
    if (cursor === this.#cursor) return true;
    if (this.#batch === undefined || cursor !== this.#cursor + 1) return false;
    this.#cursor = cursor;
    this.#drop();
    return true;
  }

  // A turn's frames leave together.
  #news(): void {
    if (this.#waiting === undefined || this.#isAnswering) return;
    this.#isAnswering = true;
    setImmediate(() => {
      this.#isAnswering = false;
      this.#answer();
    });
  }

  #answer(): void {
    if (this.#waiting === undefined) return;
    const batch = this.#batch ?? this.#take();
    if (batch === undefined) return;
    const { id, frames } = batch;
    this.#settle({ state: 'batch', cursor: this.#cursor + 1, id, frames: frames.toString() });
  }

  #take(): Batch | undefined {
    this.#batch = this.#wire.takeBatch();
    if (this.#batch !== undefined) this.ports.budget.retain(this.#batch.frames, this);
    return this.#batch;
  }

  #drop(): void {
    if (this.#batch === undefined) return;
    this.ports.budget.release(this.#batch.frames);
    this.ports.budget.settled(this);
    this.#batch = undefined;
  }

  #nothing(): Polled {
    return { state: 'batch', cursor: this.#cursor, id: this.#wire.lastId, frames: '' };
  }

  #settle(polled: Polled): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    clearTimeout(waiting.timer);
    this.#listen();
    waiting.answer(polled);
  }

  #replace(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    clearTimeout(waiting.timer);
    const nothing = this.#nothing();
    const timer = setTimeout(() => this.#release(replaced, nothing), REPLACED_MS);
    const replaced: Waiting = { ...waiting, timer };
    this.#replaced.set(replaced, nothing);
    const [oldest] = this.#replaced;
    if (oldest !== undefined && this.#replaced.size > MOST_REPLACED) this.#release(...oldest);
  }

  #release(replaced: Waiting, polled: Polled): void {
    clearTimeout(replaced.timer);
    this.#replaced.delete(replaced);
    replaced.answer(polled);
  }

  #listen(): void {
    clearTimeout(this.#silence);
    this.#silentSince = performance.now();
    // After one pass of I/O: a poll may stand in the socket already.
    this.#silence = setTimeout(() => setImmediate(() => this.#judge()), SILENCE_MS).unref();
  }

  #judge(): void {
    if (this.#isOver || this.#waiting !== undefined) return;
    const silentMs = performance.now() - this.#silentSince;
    if (silentMs < SILENCE_MS - EARLY_MS || silentMs > SILENCE_MS + LATE_MS) return this.#listen();
    this.#end = { ...this.#end, silentMs };
    this.ports.metrics.heartbeatTimeouts.inc();
    this.connection.destroy();
  }

  #closed(): void {
    this.#isOver = true;
    this.#settle({ state: 'gone' });
    for (const replaced of this.#replaced.keys()) this.#release(replaced, { state: 'gone' });
    clearTimeout(this.#silence);
    this.#drop();
    this.ended(this.#end);
  }
}

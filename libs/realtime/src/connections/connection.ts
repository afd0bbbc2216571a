import { CLOSE, type Close, type Position } from '@aerie/protocol';
import { Outbox, type OutboxRules } from './outbox.js';
import type { Session } from './session.js';
import { type Members, SmallSet } from './small-set.js';
import type { Framing, Transport, Wire } from './wire.js';

/** A goodbye that the peer does not answer is cut after this. */
const CLOSE_HANDSHAKE_MS = 5_000;

export interface ConnectionOptions {
  readonly id: string;
  readonly wire: Wire;
  readonly session: Session;
  /** The client's address as admission sees it. */
  readonly address: string;
  readonly outbox: OutboxRules;
  readonly onSlow?: () => void;
  /** Told of what is sent: for metrics. */
  readonly onSent?: (frames: number, bytes: number) => void;
}

export interface FramedOptions {
  /** How many frames the bytes are. Default 1. */
  readonly frames?: number;
  /** While it waits, a later one with the same key takes its place. */
  readonly conflateKey?: string | undefined;
}

export interface ConnectionEnd {
  readonly code: number;
  readonly reason: string;
  /** How long it had been silent when it was given up for dead. Milliseconds. */
  readonly silentMs?: number;
}

/**
 * One live transport of a session. All frames to its peer go through its bounded outbox; a peer that reads too slowly is
 * closed with 4008 instead of filling memory.
 */
export class Connection {
  readonly id: string;
  readonly address: string;
  /** Epoch milliseconds. */
  readonly openedAt = Date.now();
  /** Channels that it is subscribed to. Changed by the registry only. */
  readonly channels: Members<string> = new SmallSet();
  readonly #wire: Wire;
  readonly #outbox: Outbox;
  readonly #onSlow: ConnectionOptions['onSlow'];
  readonly #onSent: ConnectionOptions['onSent'];
  #session: Session;
  #closing: Close | undefined;
  #closedHere = false;
  #ended = false;
  #destroyTimer: NodeJS.Timeout | undefined;

  constructor(options: ConnectionOptions) {
    this.id = options.id;
    this.address = options.address;
    this.#wire = options.wire;
    this.#session = options.session;
    this.#onSlow = options.onSlow;
    this.#onSent = options.onSent;
    this.#outbox = new Outbox(options.wire, options.outbox, this);
  }

  get transport(): Transport {
    return this.#wire.transport;
  }

  get framing(): Framing {
    return this.#wire.framing;
  }

  get subprotocol(): string {
    return this.#wire.subprotocol;
  }

  /** Whether the transport keeps the positions of its channels for the peer. */
  get keepsPositions(): boolean {
    return this.#wire.mark !== undefined;
  }

  /** What stands for the session when the peer comes back, where the transport has such a thing. Secret. */
  get proof(): string | undefined {
    return this.#wire.proof?.();
  }

  get session(): Session {
    return this.#session;
  }

  get isOpen(): boolean {
    return this.#closing === undefined && !this.#ended;
  }

  /** What it was closed with by this side; undefined while it is open or where the peer went first. */
  get closedWith(): Close | undefined {
    return this.#closedHere ? this.#closing : undefined;
  }

  /** Bytes queued here or buffered in the transport. */
  get bytesOwed(): number {
    return this.#outbox.bytesOwed;
  }

  /** How much more it may owe before it counts as slow. Bytes. */
  get room(): number {
    return this.#outbox.room;
  }

  /** Resolves once the transport has been given everything that was sent so far, or it is gone. */
  drained(): Promise<void> {
    return this.#outbox.drained();
  }

  get backedUp(): boolean {
    return this.#outbox.backedUp;
  }

  /** Replaces the session after a renewal; the user stays the same. */
  renew(session: Session): void {
    if (session.user !== this.#session.user) throw new Error('a connection cannot change its user');
    this.#session = session;
    this.tellProof();
  }

  /** Tells the peer what stands for its session, where it has nothing else to come back with. */
  tellProof(): void {
    const bytes = this.isOpen ? this.#wire.proofMark?.() : undefined;
    if (bytes !== undefined) this.#outbox.push(bytes);
  }

  /** Sends a direct event: `{"event","data"}`. At most once. */
  emit(event: string, data?: unknown): void {
    this.sendPayload(JSON.stringify({ event, data }));
  }

  /** Sends one encoded frame, not yet wrapped by the transport. */
  sendPayload(payload: string | Uint8Array): void {
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    this.sendFramed(this.#wire.framing.frame(bytes));
  }

  /** Sends bytes that already carry this connection's framing, shared between connections. */
  sendFramed(bytes: Uint8Array, { frames = 1, conflateKey }: FramedOptions = {}): void {
    if (!this.isOpen) return;
    this.#onSent?.(frames, bytes.byteLength);
    this.#outbox.push(bytes, conflateKey);
  }

  /** What was sent so far of a channel brought the peer to a position; without one, it has left the channel. */
  mark(channel: string, position: Position | undefined): void {
    const bytes = this.isOpen ? this.#wire.mark?.(channel, position) : undefined;
    if (bytes !== undefined) this.#outbox.push(bytes);
  }

  /** Frames sent until `uncork` go out in one write. False if that is so already. */
  cork(): boolean {
    return this.#outbox.cork();
  }

  uncork(): void {
    this.#outbox.uncork();
  }

  /** Asks the peer for a sign of life. A peer that is behind shows it by reading: nothing more is queued for it. */
  ping(): void {
    if (this.isOpen && !this.#outbox.backedUp) this.#wire.ping();
  }

  pauseReading(): void {
    this.#wire.pause();
  }

  resumeReading(): void {
    if (this.isOpen) this.#wire.resume();
  }

  /** Says goodbye after everything already sent; cut after 5 s. The first call decides. */
  close(close: Close): void {
    if (!this.isOpen) return;
    this.#closing = close;
    this.#closedHere = true;
    this.#goodbye(() => this.#wire.close(close));
  }

  /** The peer said goodbye: what it is still owed is dropped and its goodbye answered. */
  peerCloses(code?: number): void {
    if (!this.isOpen) return;
    this.#closing = CLOSE.normal;
    this.#outbox.discard();
    this.#goodbye(() => this.#wire.answerClose(code));
  }

  /** Ends without a goodbye: the peer is dead. */
  destroy(): void {
    this.#wire.destroy();
  }

  /** Called by the transport, once, when the wire is gone. */
  ended(): void {
    this.#ended = true;
    clearTimeout(this.#destroyTimer);
    this.#outbox.release();
  }

  #goodbye(say: () => void): void {
    this.#destroyTimer = setTimeout(() => this.#wire.destroy(), CLOSE_HANDSHAKE_MS);
    // Reading goes on even where it was paused: the peer's answer is what ends the connection.
    this.#wire.resume();
    this.#outbox.finish(say);
  }

  /** Called by its outbox: the peer reads too slowly. */
  overflowed(): void {
    if (!this.isOpen) return;
    this.#onSlow?.();
    this.#outbox.discard();
    this.close(CLOSE.slowConsumer);
  }
}

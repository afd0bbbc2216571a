import type { Position } from '@aerie/protocol';
import { Wire } from '../connections/wire.js';
import type { EventId } from './event-id.js';

/** Where a client of plain requests stands, and what it may come back with. */
export interface ComingBack {
  readonly id: EventId;
  /** What stands for its session as it is now. */
  readonly proof: () => string;
}

/** A wire to a client of plain requests, for which the server keeps where its channels stand. */
export abstract class HttpWire extends Wire {
  readonly subprotocol = '';
  paused = false;
  protected readonly id: EventId;
  readonly #proof: () => string;

  constructor({ id, proof }: ComingBack) {
    super();
    this.id = id;
    this.#proof = proof;
  }

  override mark(channel: string, position: Position | undefined): Uint8Array | undefined {
    return this.id.move(channel, position) ? this.idMark() : undefined;
  }

  override proof(): string {
    return this.#proof();
  }

  override proofMark(): Uint8Array | undefined {
    return this.id.proof() === '' ? undefined : this.idMark();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  /** Calls `listener` once: the wire is gone, whoever ended it. */
  abstract onClosed(listener: () => void): void;

  /** What tells the peer its id as it is now. */
  abstract idMark(): Uint8Array;
}

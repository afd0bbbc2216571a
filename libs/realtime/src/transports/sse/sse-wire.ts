import type { ServerResponse } from 'node:http';
import { CLOSE, type Close, type Position, SYSTEM } from '@aerie/protocol';
import { Wire } from '../../connections/wire.js';
import type { EventId } from '../event-id.js';
import { eventFraming, HEARTBEAT, idBlock, retryBlock } from './sse-framing.js';

/** Who is sent away comes back after 1 to 3 s. */
const RETRY_MS = 1_000;
const RETRY_SPREAD_MS = 2_000;

/** A response that goes on, as a byte sink. What it carries is not chunked, so that receivers share the bytes of a publication. */
export class SseWire extends Wire {
  readonly transport = 'sse';
  readonly framing = eventFraming;
  readonly subprotocol = '';
  paused = false;
  readonly #response: ServerResponse;
  readonly #id: EventId;
  readonly #proof: () => string;

  constructor(response: ServerResponse, id: EventId, proof: () => string) {
    super();
    this.#response = response;
    this.#id = id;
    this.#proof = proof;
  }

  get bufferedBytes(): number {
    return this.#response.writableLength;
  }

  /** Bytes that the kernel has taken so far. */
  get taken(): number {
    const { socket } = this.#response;
    return socket === null ? 0 : socket.bytesWritten - socket.writableLength;
  }

  override mark(channel: string, position: Position | undefined): Buffer | undefined {
    return this.#id.move(channel, position) ? this.id() : undefined;
  }

  /** What the client is to come back with now. */
  id(): Buffer {
    return idBlock(this.#id.toString());
  }

  override proof(): string {
    return this.#proof();
  }

  write(bytes: Uint8Array, taken?: () => void): void {
    if (this.#response.writable)
      this.#response.write(bytes, (error) => (error === undefined || error === null) && taken?.());
  }

  /** The client never answers: that the kernel took the bytes is all there is to know. */
  ping(taken?: () => void): void {
    this.write(HEARTBEAT, taken);
  }

  /** The stream is over, whoever ended it. */
  onClosed(listener: () => void): void {
    this.#response.on('close', listener);
    // `close` follows; without a listener it would end the process.
    this.#response.on('error', () => undefined);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  close({ code, reason }: Close): void {
    if (code === CLOSE.goingAway.code || code === CLOSE.overloaded.code)
      this.write(retryBlock(RETRY_MS + Math.random() * RETRY_SPREAD_MS));
    this.write(
      eventFraming.frame(Buffer.from(JSON.stringify({ event: SYSTEM.close, data: { code, reason } }))),
    );
    this.#response.end();
  }

  answerClose(): void {
    this.#response.end();
  }

  destroy(): void {
    this.#response.destroy();
  }
}

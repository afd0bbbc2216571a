import type { ServerResponse } from 'node:http';
import { CLOSE, type Close, SYSTEM } from '@aerie/protocol';
import { comeBackAfterMs } from '../come-back.js';
import { type ComingBack, HttpWire } from '../http-wire.js';
import { eventFraming, HEARTBEAT, idBlock, retryBlock } from './sse-framing.js';

/** A response that goes on, as a byte sink. What it carries is not chunked, so that receivers share the bytes of a publication. */
export class SseWire extends HttpWire {
  readonly transport = 'sse';
  readonly framing = eventFraming;
  readonly #response: ServerResponse;

  constructor(response: ServerResponse, comingBack: ComingBack) {
    super(comingBack);
    this.#response = response;
  }

  get bufferedBytes(): number {
    return this.#response.writableLength;
  }

  /** Bytes that the kernel has taken so far. */
  get taken(): number {
    const { socket } = this.#response;
    return socket === null ? 0 : socket.bytesWritten - socket.writableLength;
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

  close({ code, reason }: Close): void {
    if (code === CLOSE.goingAway.code || code === CLOSE.overloaded.code)
      this.write(retryBlock(comeBackAfterMs()));
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

  override idMark(): Buffer {
    return idBlock(this.id.toString());
  }
}

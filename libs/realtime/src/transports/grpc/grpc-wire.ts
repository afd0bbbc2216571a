import { type Close, SYSTEM } from '@aerie/protocol';
import { Wire } from '../../connections/wire.js';
import type { GrpcCall } from './grpc-call.js';
import { grpcFraming } from './grpc-framing.js';
import { statusOfClose } from './grpc-status.js';
import type { SessionPings } from './session-pings.js';

/** A call as a byte sink. Its stream takes the prefixed frames as they are, so that receivers share a publication's bytes. */
export class GrpcWire extends Wire {
  readonly transport = 'grpc';
  readonly framing = grpcFraming;
  readonly subprotocol = '';
  readonly call: GrpcCall;
  readonly #pings: SessionPings;
  #alive: () => void = () => undefined;
  /** Bytes that the peer's window had room for so far. */
  taken = 0;

  constructor(call: GrpcCall, pings: SessionPings) {
    super();
    this.call = call;
    this.#pings = pings;
  }

  get bufferedBytes(): number {
    return this.call.stream.writableLength;
  }

  get paused(): boolean {
    return this.call.stream.isPaused();
  }

  write(bytes: Uint8Array, taken?: () => void): void {
    this.call.write(bytes, () => {
      this.taken += bytes.byteLength;
      taken?.();
    });
  }

  /** Who hears of the answers to pings. */
  onAlive(listener: () => void): void {
    this.#alive = listener;
  }

  ping(): void {
    this.#pings.ask(this.call.stream.session, this.#alive);
  }

  pause(): void {
    this.call.stream.pause();
  }

  resume(): void {
    this.call.stream.resume();
  }

  close(close: Close): void {
    const { code, reason } = close;
    const frame = JSON.stringify({ event: SYSTEM.close, data: { code, reason } });
    this.call.write(grpcFraming.frame(Buffer.from(frame)));
    this.call.end(statusOfClose(close));
  }

  answerClose(): void {
    this.call.end();
  }

  destroy(): void {
    this.call.destroy();
  }
}

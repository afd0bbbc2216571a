import type { Socket } from 'node:net';
import type { Close } from '@aerie/protocol';
import { Wire, type Framing } from '../../connections/wire.js';
import { PING_FRAME } from './frame.js';
import type { ServerSocket } from './server-socket.js';

/**
 * A WebSocket as a byte sink. `ws` reads and does the close handshake; whole frames of ours go to the socket that the
 * upgrade handed us, so that one buffer serves every receiver of a publication.
 */
export class WebSocketWire extends Wire {
  readonly transport = 'websocket';

  constructor(
    readonly ws: ServerSocket,
    readonly socket: Socket,
  ) {
    super();
  }

  get framing(): Framing {
    return this.ws.framing;
  }

  get subprotocol(): string {
    return this.ws.protocol;
  }

  get bufferedBytes(): number {
    return this.socket.writableLength;
  }

  get paused(): boolean {
    return this.ws.isPaused;
  }

  write(bytes: Uint8Array, taken?: () => void): void {
    if (!this.socket.writable) return;
    if (taken === undefined) this.socket.write(bytes);
    else this.socket.write(bytes, (error) => (error === undefined || error === null ? taken() : undefined));
  }

  ping(): void {
    if (this.socket.writable) this.socket.write(PING_FRAME);
  }

  pause(): void {
    this.ws.pause();
  }

  resume(): void {
    this.ws.resume();
  }

  close({ code, reason }: Close): void {
    this.ws.sayGoodbye(code, reason);
  }

  answerClose(code: number | undefined): void {
    this.ws.sayGoodbye(code);
  }

  destroy(): void {
    this.ws.terminate();
  }
}

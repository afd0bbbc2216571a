import type { Socket } from 'node:net';
import { CLOSE } from '@aerie/protocol';
import type { Connection, ConnectionEnd } from '../../connections/connection.js';
import type { Heartbeat, Pulse } from '../../connections/heartbeat.js';
import { pongFrame } from './frame.js';
import type { CloseWish } from './server-socket.js';
import type { WebSocketWire } from './websocket-wire.js';

/** A frame that trickles in for longer than this is an attack. */
const UNFINISHED_FRAME_MS = 30_000;
const PONG_KEY = '$pong';

export interface LinkOptions {
  readonly wire: WebSocketWire;
  readonly connection: Connection;
  readonly heartbeat: Heartbeat;
  readonly onMessage: (data: Buffer, isBinary: boolean) => void;
  readonly onPong: (data: Buffer) => void;
  readonly onBytes: (count: number) => void;
  readonly onEnd: (end: ConnectionEnd) => void;
  readonly onDead: () => void;
}

/** Ties a WebSocket's events to its Connection, and shows the heartbeat whether the peer lives. */
export class WebSocketLink implements Pulse {
  lastSignAt = performance.now();
  pingedAt = 0;
  slot = -1;
  takenAtPing = -1;
  readonly #options: LinkOptions;
  readonly #socket: Socket;
  #frameBeganAt = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#socket = options.wire.socket;
  }

  /** From here on what arrives is taken, and silence is noticed. */
  start(): void {
    const { ws } = this.#options.wire;
    ws.deferCloseTo((wish) => this.#closeWished(wish));
    this.#socket.prependListener('data', (chunk: Buffer) => this.#arrived(chunk));
    ws.on('message', (data, isBinary) => this.#message(data, isBinary));
    ws.on('ping', (data) => this.#pinged(data));
    ws.on('pong', (data) => this.#ponged(data));
    ws.on('close', (code, reason) => this.#ended(code, reason));
    this.#options.heartbeat.add(this);
  }

  get paused(): boolean {
    return this.#options.wire.paused;
  }

  get blocked(): boolean {
    return this.#socket.writableLength > 0;
  }

  get taken(): number {
    return this.#socket.bytesWritten - this.#socket.writableLength;
  }

  ping(): void {
    this.#options.connection.ping();
  }

  dead(): void {
    this.#options.onDead();
    this.#options.connection.destroy();
  }

  #arrived(chunk: Buffer): void {
    this.#options.onBytes(chunk.byteLength);
    this.lastSignAt = performance.now();
    if (this.#frameBeganAt === 0) this.#frameBeganAt = this.lastSignAt;
    else if (this.lastSignAt - this.#frameBeganAt > UNFINISHED_FRAME_MS)
      this.#options.connection.close(CLOSE.policy);
  }

  #message(data: unknown, isBinary: boolean): void {
    this.#frameBeganAt = 0;
    if (Buffer.isBuffer(data)) this.#options.onMessage(data, isBinary);
  }

  // At most one pong waits: RFC 6455 lets a peer answer only the latest ping, and a flood of pings must not fill memory.
  #pinged(data: Buffer): void {
    this.#frameBeganAt = 0;
    const { connection } = this.#options;
    connection.sendFramed(pongFrame(data), { conflateKey: PONG_KEY });
  }

  #ponged(data: Buffer): void {
    this.#frameBeganAt = 0;
    this.#options.onPong(data);
  }

  #closeWished(wish: CloseWish): void {
    if (wish.by === 'peer') this.#options.connection.peerCloses(wish.code);
    else this.#options.connection.close(wish.close);
  }

  #ended(code: number, reason: Buffer): void {
    this.#options.heartbeat.remove(this);
    const { connection } = this.#options;
    const end = connection.closedWith ?? { code, reason: reason.toString('utf8') };
    connection.ended();
    this.#options.onEnd(end);
  }
}

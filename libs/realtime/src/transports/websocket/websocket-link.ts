import type { Socket } from 'node:net';
import { CLOSE } from '@aerie/protocol';
import type { Pulse } from '../../connections/heartbeat.js';
import type { ClientFacade } from '../client-facade.js';
import { Link, type LinkPorts } from '../link.js';
import { pongFrame } from './frame.js';
import type { CloseWish, SocketListener } from './server-socket.js';
import type { WebSocketWire } from './websocket-wire.js';

/** A frame that trickles in for longer than this is an attack. */
const UNFINISHED_FRAME_MS = 30_000;
const PONG_KEY = '$pong';
const LINK = Symbol('aerie:link');

interface LinkedSocket extends Socket {
  [LINK]?: WebSocketLink;
}

/** Ties a WebSocket's events to its Connection and its gateways' client, and shows the heartbeat whether the peer lives. */
export class WebSocketLink extends Link implements Pulse, SocketListener {
  lastSignAt = performance.now();
  pingedAt = 0;
  slot = -1;
  takenAtPing = -1;
  readonly #wire: WebSocketWire;
  #frameBeganAt = 0;
  #isDead = false;

  constructor(wire: WebSocketWire, client: ClientFacade, ports: LinkPorts) {
    super(client, ports);
    this.#wire = wire;
  }

  start(): void {
    const socket: LinkedSocket = this.#wire.socket;
    socket[LINK] = this;
    socket.prependListener('data', arrived);
    this.#wire.ws.hearWith(this);
    this.ports.heartbeat.add(this);
  }

  get paused(): boolean {
    return this.#wire.paused;
  }

  get blocked(): boolean {
    return this.#wire.socket.writableLength > 0;
  }

  get taken(): number {
    return this.#wire.socket.bytesWritten - this.#wire.socket.writableLength;
  }

  ping(): void {
    this.client.connection.ping();
  }

  dead(): void {
    this.#isDead = true;
    this.ports.metrics.heartbeatTimeouts.inc();
    this.client.connection.destroy();
  }

  /** Some bytes came in. */
  arrived(bytes: number): void {
    this.ports.metrics.bytesReceived.inc(bytes);
    this.lastSignAt = performance.now();
    if (this.#frameBeganAt === 0) this.#frameBeganAt = this.lastSignAt;
    else if (this.lastSignAt - this.#frameBeganAt > UNFINISHED_FRAME_MS)
      this.client.connection.close(CLOSE.policy);
  }

  onMessage(data: unknown, isBinary: boolean): void {
    this.#frameBeganAt = 0;
    if (Buffer.isBuffer(data)) this.take(data, isBinary);
  }

  // At most one pong waits: RFC 6455 lets a peer answer only the latest ping, and a flood of pings must not fill memory.
  onPing(data: Buffer): void {
    this.#frameBeganAt = 0;
    this.client.connection.sendFramed(pongFrame(data), { conflateKey: PONG_KEY });
  }

  onPong(data: Buffer): void {
    this.#frameBeganAt = 0;
    this.client.emit('pong', data);
  }

  onCloseWish(wish: CloseWish): void {
    const { connection } = this.client;
    if (wish.by === 'peer') connection.peerCloses(wish.code);
    else connection.close(wish.close);
  }

  onClose(code: number, reason: Buffer): void {
    this.ports.heartbeat.remove(this);
    const silence = this.#isDead ? { silentMs: performance.now() - this.lastSignAt } : {};
    this.ended({ code, reason: reason.toString('utf8'), ...silence });
  }
}

// One listener for every socket, which finds its link: a closure each would cost more than the link itself.
function arrived(this: LinkedSocket, chunk: Buffer): void {
  this[LINK]?.arrived(chunk.byteLength);
}

import type { Socket } from 'node:net';
import { CLOSE } from '@aerie/protocol';
import type { ConnectionEnd } from '../../connections/connection.js';
import type { Heartbeat, Pulse } from '../../connections/heartbeat.js';
import type { MessageStream } from '../../messages/message-stream.js';
import type { RealtimeMetrics } from '../../metrics/meter.js';
import type { StallGate } from '../../sessions/stall-gate.js';
import type { ClientFacade } from './client-facade.js';
import { pongFrame } from './frame.js';
import type { CloseWish, SocketListener } from './server-socket.js';
import type { WebSocketWire } from './websocket-wire.js';

/** A frame that trickles in for longer than this is an attack. */
const UNFINISHED_FRAME_MS = 30_000;
const PONG_KEY = '$pong';
const LINK = Symbol('aerie:link');

/** What all links of a node share. */
export interface LinkPorts {
  readonly heartbeat: Heartbeat;
  readonly metrics: RealtimeMetrics;
  /** While it is closed, what comes in waits there. */
  readonly gate: Pick<StallGate, 'isOpen' | 'hold'>;
  /** What takes a client's messages; asked for with its first one, as most connections only listen. */
  readonly messagesOf: (client: ClientFacade) => MessageStream;
  /** The socket is gone. Called once. */
  readonly onEnd: (client: ClientFacade, end: ConnectionEnd) => void;
}

interface LinkedSocket extends Socket {
  [LINK]?: WebSocketLink;
}

/** Ties a WebSocket's events to its Connection and its gateways' client, and shows the heartbeat whether the peer lives. */
export class WebSocketLink implements Pulse, SocketListener {
  lastSignAt = performance.now();
  pingedAt = 0;
  slot = -1;
  takenAtPing = -1;
  readonly #wire: WebSocketWire;
  readonly #client: ClientFacade;
  readonly #ports: LinkPorts;
  #frameBeganAt = 0;
  #isWelcome = false;
  #isDead = false;
  #messages: MessageStream | undefined;

  constructor(wire: WebSocketWire, client: ClientFacade, ports: LinkPorts) {
    this.#wire = wire;
    this.#client = client;
    this.#ports = ports;
  }

  /** From here on what arrives is taken, and silence is noticed. */
  start(): void {
    const socket: LinkedSocket = this.#wire.socket;
    socket[LINK] = this;
    socket.prependListener('data', arrived);
    this.#wire.ws.hearWith(this);
    this.#ports.heartbeat.add(this);
  }

  /** `$welcome` is on its way: what has arrived so far may be answered. */
  welcomed(): void {
    this.#isWelcome = true;
    this.#messages?.open();
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
    this.#client.connection.ping();
  }

  dead(): void {
    this.#isDead = true;
    this.#ports.metrics.heartbeatTimeouts.inc();
    this.#client.connection.destroy();
  }

  /** Some bytes came in. */
  arrived(bytes: number): void {
    this.#ports.metrics.bytesReceived.inc(bytes);
    this.lastSignAt = performance.now();
    if (this.#frameBeganAt === 0) this.#frameBeganAt = this.lastSignAt;
    else if (this.lastSignAt - this.#frameBeganAt > UNFINISHED_FRAME_MS)
      this.#client.connection.close(CLOSE.policy);
  }

  onMessage(data: unknown, isBinary: boolean): void {
    this.#frameBeganAt = 0;
    if (!Buffer.isBuffer(data)) return;
    const { gate } = this.#ports;
    if (gate.isOpen()) this.#take(data, isBinary);
    else if (!gate.hold(data.byteLength, () => this.#take(data, isBinary)))
      this.#client.connection.close(CLOSE.overloaded);
  }

  // At most one pong waits: RFC 6455 lets a peer answer only the latest ping, and a flood of pings must not fill memory.
  onPing(data: Buffer): void {
    this.#frameBeganAt = 0;
    this.#client.connection.sendFramed(pongFrame(data), { conflateKey: PONG_KEY });
  }

  onPong(data: Buffer): void {
    this.#frameBeganAt = 0;
    this.#client.emit('pong', data);
  }

  onCloseWish(wish: CloseWish): void {
    const { connection } = this.#client;
    if (wish.by === 'peer') connection.peerCloses(wish.code);
    else connection.close(wish.close);
  }

  onClose(code: number, reason: Buffer): void {
    this.#ports.heartbeat.remove(this);
    const { connection } = this.#client;
    const end = connection.closedWith ?? { code, reason: reason.toString('utf8') };
    connection.ended();
    this.#ports.onEnd(
      this.#client,
      this.#isDead ? { ...end, silentMs: performance.now() - this.lastSignAt } : end,
    );
    this.#messages?.end();
  }

  #take(data: Buffer, isBinary: boolean): void {
    (this.#messages ?? this.#firstMessage()).receive(data, isBinary);
    this.#client.heard(data, isBinary);
  }

  #firstMessage(): MessageStream {
    this.#messages = this.#ports.messagesOf(this.#client);
    if (this.#isWelcome) this.#messages.open();
    return this.#messages;
  }
}

// One listener for every socket, which finds its link: a closure each would cost more than the link itself.
function arrived(this: LinkedSocket, chunk: Buffer): void {
  this[LINK]?.arrived(chunk.byteLength);
}

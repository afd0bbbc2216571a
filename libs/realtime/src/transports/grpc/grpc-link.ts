import { CLOSE } from '@aerie/protocol';
import type { Pulse } from '../../connections/heartbeat.js';
import type { ClientFacade } from '../client-facade.js';
import { CUT, Link, type LinkPorts } from '../link.js';
import { messageIn } from './grpc-framing.js';
import type { GrpcWire } from './grpc-wire.js';
import { MessageReader } from './message-reader.js';

/** A message that trickles in for longer than this is an attack. */
const UNFINISHED_MESSAGE_MS = 30_000;

/** Ties a call to its Connection and its gateways' client. */
export class GrpcLink extends Link implements Pulse {
  lastSignAt = performance.now();
  pingedAt = 0;
  slot = -1;
  takenAtPing = -1;
  readonly #wire: GrpcWire;
  readonly #reader: MessageReader;
  #messageBeganAt = 0;
  #isDead = false;

  constructor(wire: GrpcWire, client: ClientFacade, ports: LinkPorts) {
    super(client, ports);
    this.#wire = wire;
    this.#reader = new MessageReader(client.endpoint.maxFrameBytes);
  }

  start(): void {
    const { stream } = this.#wire.call;
    this.#wire.onAlive(() => this.#heard());
    stream.on('data', (chunk: Buffer) => this.#arrived(chunk));
    // Ending what it sends is a client's goodbye.
    stream.on('end', () => this.client.connection.peerCloses(CLOSE.normal.code));
    stream.on('close', () => this.#closed());
    this.ports.heartbeat.add(this);
  }

  get paused(): boolean {
    return this.#wire.paused;
  }

  get blocked(): boolean {
    return this.#wire.bufferedBytes > 0;
  }

  get taken(): number {
    return this.#wire.taken;
  }

  ping(): void {
    this.client.connection.ping();
  }

  dead(): void {
    this.#isDead = true;
    this.ports.metrics.heartbeatTimeouts.inc();
    this.client.connection.destroy();
  }

  #heard(): void {
    this.lastSignAt = performance.now();
  }

  #arrived(chunk: Buffer): void {
    this.ports.metrics.bytesReceived.inc(chunk.byteLength);
    this.#heard();
    const { connection } = this.client;
    if (!connection.isOpen) return;
    const fault = this.#reader.push(chunk, (message) => this.#takeMessage(message));
    if (fault !== undefined)
      return connection.close(fault === 'too-large' ? CLOSE.tooLarge : CLOSE.protocolError);
    if (!this.#reader.hasBegun) this.#messageBeganAt = 0;
    else if (this.#messageBeganAt === 0) this.#messageBeganAt = this.lastSignAt;
    else if (this.lastSignAt - this.#messageBeganAt > UNFINISHED_MESSAGE_MS) connection.close(CLOSE.policy);
  }

  #takeMessage(bytes: Buffer): void {
    const message = messageIn(bytes);
    if (Buffer.isBuffer(message)) this.take(message, false);
    else this.refuse(message);
  }

  #closed(): void {
    this.ports.heartbeat.remove(this);
    const silence = this.#isDead ? { silentMs: performance.now() - this.lastSignAt } : {};
    this.ended({ code: CUT, reason: '', ...silence });
  }
}

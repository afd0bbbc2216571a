import { randomBytes } from 'node:crypto';
import { CLOSE } from '@aerie/protocol';
import { Connection, type ConnectionEnd } from '../../connections/connection.js';
import type { ConnectionRegistry } from '../../connections/connection-registry.js';
import type { Heartbeat } from '../../connections/heartbeat.js';
import type { OutboxBudget } from '../../connections/outbox-budget.js';
import type { Session } from '../../connections/session.js';
import type { HandshakeAttempt } from '../../handshake/handshake.js';
import type { HandshakeLog } from '../../handshake/handshake-log.js';
import type { RealtimeMetrics } from '../../metrics/meter.js';
import { ClientFacade } from './client-facade.js';
import type { Endpoint } from './endpoint.js';
import type { EarlyFrame, EarlyFrames } from './first-message.js';
import type { ServerSocket } from './server-socket.js';
import type { Upgrade } from './upgrade.js';
import { WebSocketLink } from './websocket-link.js';
import { WebSocketWire } from './websocket-wire.js';

/** What takes a connection's messages once it is greeted. */
export interface Greeted {
  receive(data: Buffer, isBinary: boolean): void;
  end(end: ConnectionEnd): void;
}

/** What becomes of a connection once it is registered: greeting, messages, channels. The floor above decides. */
export interface Greeter {
  greet(client: ClientFacade, endpoint: Endpoint): Greeted;
}

export interface EntranceOptions {
  readonly registry: ConnectionRegistry;
  readonly heartbeat: Heartbeat;
  readonly budget: OutboxBudget;
  readonly metrics: RealtimeMetrics;
  readonly log: HandshakeLog;
  readonly greeter: Greeter;
  readonly outboxBytes: number;
  readonly maxConnectionsPerUser: number | undefined;
}

/** Who comes in, and what it sent before it was in. */
export interface Opening extends EarlyFrames {
  readonly session: Session;
}

/** What a renewal needs of the request that opened a connection; the rest of the upgrade is let go. */
type KnownAttempt = Pick<HandshakeAttempt, 'request' | 'addressGroup' | 'guards'>;

/** Lets in who passed the handshake: a connection on the open socket, registered and greeted. The only way in. */
export class Entrance {
  readonly #options: EntranceOptions;
  readonly #attempts = new WeakMap<Connection, KnownAttempt>();
  readonly #clients = new WeakMap<Connection, ClientFacade>();

  constructor(options: EntranceOptions) {
    this.#options = options;
  }

  clientOf(connection: Connection): ClientFacade | undefined {
    return this.#clients.get(connection);
  }

  attemptOf(connection: Connection): KnownAttempt | undefined {
    return this.#attempts.get(connection);
  }

  open(upgrade: Upgrade, ws: ServerSocket, { session, frames, authId }: Opening): void {
    const { endpoint, request, addressGroup, guards } = upgrade;
    if (endpoint === undefined) return;
    this.#makeRoom(session);
    const wire = new WebSocketWire(ws, upgrade.socket);
    const connection = this.#connection(upgrade, wire, session);
    const client = new ClientFacade(connection, request, endpoint);
    this.#attempts.set(connection, { request, addressGroup, guards });
    this.#clients.set(connection, client);
    const take = this.#link(wire, client, endpoint);
    this.#options.registry.add(connection);
    this.#options.log.accepted(upgrade, connection);
    const { expiresAt = null } = session;
    if (authId !== undefined) connection.sendPayload(JSON.stringify({ id: authId, data: { expiresAt } }));
    take(this.#options.greeter.greet(client, endpoint), frames);
  }

  // Listens at once, as `ws` emits what it has read without waiting; what comes before the greeting is kept for it.
  #link(
    wire: WebSocketWire,
    client: ClientFacade,
    endpoint: Endpoint,
  ): (by: Greeted, frames: readonly EarlyFrame[]) => void {
    const { heartbeat, metrics, registry } = this.#options;
    const { connection } = client;
    let greeted: Greeted | undefined;
    const waiting: EarlyFrame[] = [];
    wire.ws.on('error', () => undefined);
    const link = new WebSocketLink({
      wire,
      connection,
      heartbeat,
      onMessage: (data, isBinary) =>
        greeted === undefined ? waiting.push({ data, isBinary }) : greeted.receive(data, isBinary),
      onPong: (data) => client.emit('pong', data),
      onBytes: (count) => metrics.bytesReceived.inc(count),
      onDead: () => metrics.heartbeatTimeouts.inc(),
      onEnd: (end) => {
        endpoint.forget(client);
        registry.remove(connection, end);
        client.ended(end.code, end.reason);
        greeted?.end(end);
      },
    });
    link.start();
    return (by, frames) => {
      greeted = by;
      for (const { data, isBinary } of [...frames, ...waiting]) by.receive(data, isBinary);
    };
  }

  #connection(upgrade: Upgrade, wire: WebSocketWire, session: Session): Connection {
    const { outboxBytes, budget } = this.#options;
    return new Connection({
      id: randomBytes(12).toString('base64url'),
      wire,
      session,
      address: upgrade.address,
      outboxBytes,
      budget,
      onSlow: this.#countSlow,
      onSent: this.#countSent,
    });
  }

  readonly #countSlow = (): void => this.#options.metrics.slowConsumers.inc();

  readonly #countSent = (frames: number, bytes: number): void => {
    this.#options.metrics.framesSent.inc(frames);
    this.#options.metrics.bytesSent.inc(bytes);
  };

  #makeRoom({ user }: Session): void {
    const max = this.#options.maxConnectionsPerUser;
    const own = this.#options.registry.ofUser(user);
    if (max === undefined || own.size < max) return;
    const open = [...own].filter((connection) => connection.isOpen);
    for (const oldest of open.slice(0, open.length - max + 1)) oldest.close(CLOSE.replaced);
  }
}

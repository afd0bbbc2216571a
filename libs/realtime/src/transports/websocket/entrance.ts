import { CLOSE } from '@aerie/protocol';
import { Connection, type ConnectionEnd } from '../../connections/connection.js';
import type { ConnectionRegistry } from '../../connections/connection-registry.js';
import type { Heartbeat } from '../../connections/heartbeat.js';
import type { OutboxRules } from '../../connections/outbox.js';
import type { OutboxBudget } from '../../connections/outbox-budget.js';
import type { Session } from '../../connections/session.js';
import type { HandshakeLog } from '../../handshake/handshake-log.js';
import type { MessageStream } from '../../messages/message-stream.js';
import type { RealtimeMetrics } from '../../metrics/meter.js';
import { randomId } from '../../random-id.js';
import { ClientFacade } from './client-facade.js';
import type { EarlyFrames } from './first-message.js';
import type { ServerSocket } from './server-socket.js';
import type { Upgrade } from './upgrade.js';
import { type LinkPorts, WebSocketLink } from './websocket-link.js';
import { WebSocketWire } from './websocket-wire.js';

const CONNECTION_ID_BYTES = 12;

/** What becomes of a connection once it is registered: greeting, messages, channels. The floor above decides. */
export interface Greeter {
  /** `welcomed` is called once `$welcome` is queued; until then messages wait. */
  greet(client: ClientFacade, welcomed: () => void): void;
  messagesOf(client: ClientFacade): MessageStream;
}

export interface EntranceOptions {
  readonly registry: ConnectionRegistry;
  readonly heartbeat: Heartbeat;
  readonly budget: OutboxBudget;
  readonly metrics: RealtimeMetrics;
  readonly log: HandshakeLog;
  readonly greeter: Greeter;
  readonly gate: LinkPorts['gate'];
  readonly outboxBytes: number;
  readonly maxConnectionsPerUser: number | undefined;
}

/** Who comes in, and what it sent before it was in. */
export interface Opening extends EarlyFrames {
  readonly session: Session;
}

/** Lets in who passed the handshake: a connection on the open socket, registered and greeted. The only way in. */
export class Entrance {
  readonly #options: EntranceOptions;
  readonly #clients = new WeakMap<Connection, ClientFacade>();
  readonly #links: LinkPorts;
  readonly #outbox: OutboxRules;

  constructor(options: EntranceOptions) {
    this.#options = options;
    const { heartbeat, metrics, budget, outboxBytes, greeter, gate } = options;
    this.#outbox = { budget, limitBytes: outboxBytes };
    const messagesOf = (client: ClientFacade): MessageStream => greeter.messagesOf(client);
    this.#links = { heartbeat, metrics, gate, messagesOf, onEnd: (client, end) => this.#ended(client, end) };
  }

  clientOf(connection: Connection): ClientFacade | undefined {
    return this.#clients.get(connection);
  }

  open(upgrade: Upgrade, ws: ServerSocket, { session, frames, authId }: Opening): void {
    const { endpoint, request, addressGroup } = upgrade;
    if (endpoint === undefined) return;
    this.#makeRoom(session);
    const wire = new WebSocketWire(ws, upgrade.socket);
    const connection = this.#connection(upgrade, wire, session);
    const client = new ClientFacade({ connection, request, endpoint, addressGroup });
    this.#clients.set(connection, client);
    const link = new WebSocketLink(wire, client, this.#links);
    link.start();
    this.#options.registry.add(connection);
    this.#options.log.accepted(upgrade, connection);
    const { expiresAt = null } = session;
    if (authId !== undefined) connection.sendPayload(JSON.stringify({ id: authId, data: { expiresAt } }));
    this.#options.greeter.greet(client, () => link.welcomed());
    for (const { data, isBinary } of frames) link.onMessage(data, isBinary);
  }

  #ended(client: ClientFacade, end: ConnectionEnd): void {
    this.#options.registry.remove(client.connection, end);
    client.endpoint.forget(client, end.code, end.reason);
  }

  #connection(upgrade: Upgrade, wire: WebSocketWire, session: Session): Connection {
    return new Connection({
      id: randomId(CONNECTION_ID_BYTES),
      wire,
      session,
      address: upgrade.address,
      outbox: this.#outbox,
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

import { CLOSE } from '@aerie/protocol';
import { Connection, type ConnectionEnd } from '../connections/connection.js';
import type { ConnectionRegistry } from '../connections/connection-registry.js';
import type { OutboxRules } from '../connections/outbox.js';
import type { Session } from '../connections/session.js';
import type { Wire } from '../connections/wire.js';
import type { HandshakeLog } from '../handshake/handshake-log.js';
import type { MessageStream } from '../messages/message-stream.js';
import { randomId } from '../random-id.js';
import type { Attempt, Home } from './attempt.js';
import { ClientFacade } from './client-facade.js';
import type { Link, LinkPorts } from './link.js';

const CONNECTION_ID_BYTES = 16;

/** What becomes of a connection once it is registered: greeting, messages, channels. The floor above decides. */
export interface Greeter {
  /** `welcomed` is called once `$welcome` is queued; until then messages wait. */
  greet(client: ClientFacade, welcomed: () => void): void;
  messagesOf(client: ClientFacade): MessageStream;
}

export interface EntranceOptions extends Omit<LinkPorts, 'messagesOf' | 'onEnd'> {
  readonly registry: ConnectionRegistry;
  readonly log: HandshakeLog;
  readonly greeter: Greeter;
  readonly outboxBytes: number;
  readonly maxConnectionsPerUser: number | undefined;
}

/** Who passed the handshake. */
export interface Arrival extends Attempt {
  readonly endpoint: Home;
  readonly session: Session;
}

export interface Opening<Tied extends Link> {
  /** Ties the wire to the client. */
  readonly link: (client: ClientFacade, ports: LinkPorts) => Tied;
  /** A frame that stands before `$welcome`. */
  readonly first?: string;
  /** `$welcome` is queued. */
  readonly welcomed?: (client: ClientFacade) => void;
}

/** Lets in who passed the handshake: a connection on an open wire, registered and greeted. The only way in. */
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
    this.#links = {
      heartbeat,
      metrics,
      budget,
      gate,
      messagesOf,
      onEnd: (client, end) => this.#ended(client, end),
    };
  }

  clientOf(connection: Connection): ClientFacade | undefined {
    return this.#clients.get(connection);
  }

  open<Tied extends Link>(arrival: Arrival, wire: Wire, opening: Opening<Tied>): Tied {
    const { endpoint, request, addressGroup, session } = arrival;
    this.#makeRoom(session);
    const connection = this.#connection(arrival, wire);
    const client = new ClientFacade({ connection, request, endpoint, addressGroup });
    this.#clients.set(connection, client);
    const link = opening.link(client, this.#links);
    link.start();
    this.#options.registry.add(connection);
    this.#options.log.accepted(arrival, connection);
    if (opening.first !== undefined) connection.sendPayload(opening.first);
    this.#options.greeter.greet(client, () => {
      link.welcomed();
      opening.welcomed?.(client);
    });
    return link;
  }

  #ended(client: ClientFacade, end: ConnectionEnd): void {
    this.#options.registry.remove(client.connection, end);
    client.endpoint.forget(client, end.code, end.reason);
  }

  #connection({ address, session }: Arrival, wire: Wire): Connection {
    return new Connection({
      id: randomId(CONNECTION_ID_BYTES),
      wire,
      session,
      address,
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

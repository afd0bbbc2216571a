import type { Position } from '@aerie/protocol';
import { Logger } from '@nestjs/common';
import type { ChannelMessages } from '../channels/channel-messages.js';
import type { Connection } from '../connections/connection.js';
import type { ResumeProofs } from '../handshake/resume-proofs.js';
import type { SessionAuthentication } from '../handshake/session-authentication.js';
import { Refusal } from '../refusal.js';
import type { ClientFacade } from './client-facade.js';
import type { Arrival, Entrance } from './entrance.js';
import { EventId } from './event-id.js';
import type { HttpLink } from './http-link.js';
import type { HttpLinks } from './http-links.js';
import type { ComingBack, HttpWire } from './http-wire.js';
import type { LinkPorts } from './link.js';
import { subscribeAll, type WantedChannel } from './url-channels.js';

export interface HttpEntranceOptions {
  readonly entrance: Entrance;
  readonly links: Pick<HttpLinks, 'add'>;
  readonly channels: Pick<ChannelMessages, 'subscribe'>;
  readonly authentication: Pick<SessionAuthentication, 'comesBack'>;
  readonly proofs: Pick<ResumeProofs, 'of'>;
}

/** The channels that a connection begins with. */
export interface OpeningChannels {
  /** Subscribed once `$welcome` is queued. */
  readonly wanted: readonly WantedChannel[];
  /** Where the client's channels stood. */
  readonly positions: ReadonlyMap<string, Position>;
}

export interface HttpOpening<Through extends HttpWire, Tied extends HttpLink> {
  readonly channels: OpeningChannels;
  readonly wire: (comingBack: ComingBack) => Through;
  readonly link: (wire: Through, client: ClientFacade, ports: LinkPorts) => Tied;
}

/** Lets in who came by a plain request: with an id to come back by, its channels, and a place where its later requests find it. */
export class HttpEntrance {
  readonly #logger = new Logger('AerieTransports');
  readonly #options: HttpEntranceOptions;

  constructor(options: HttpEntranceOptions) {
    this.#options = options;
  }

  open<Through extends HttpWire, Tied extends HttpLink>(
    arrival: Arrival,
    opening: HttpOpening<Through, Tied>,
  ): Tied {
    const { entrance, authentication, proofs, links } = this.#options;
    const needsProof = !authentication.comesBack(arrival.request);
    let session = (): Arrival['session'] => arrival.session;
    const proof = (): string => proofs.of(session());
    const { wanted, positions } = opening.channels;
    const id = new EventId(() => (needsProof ? proof() : ''), positions);
    const wire = opening.wire({ id, proof });
    const link = entrance.open(arrival, wire, {
      link: (client, ports) => {
        session = () => client.connection.session;
        return opening.link(wire, client, ports);
      },
      welcomed: ({ connection }) => {
        // Without a channel that has a history no other id may ever come.
        connection.tellProof();
        void this.#subscribe(connection, wanted);
      },
    });
    links.add(link);
    return link;
  }

  // A rule that fails is the fault of one channel: the client is told, and goes on with its others.
  #subscribe(connection: Connection, wanted: readonly WantedChannel[]): Promise<void> {
    const { channels } = this.#options;
    return subscribeAll(connection, wanted, {
      subscribe: (...asked) => channels.subscribe(...asked).catch((error: unknown) => this.#fault(error)),
    });
  }

  #fault(error: unknown): Refusal {
    this.#logger.error('a channel could not be subscribed', error instanceof Error ? error.stack : undefined);
    return new Refusal('internal', 'Internal server error');
  }
}

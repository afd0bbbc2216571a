import type { ServerResponse } from 'node:http';
import { Logger } from '@nestjs/common';
import type { ChannelMessages } from '../../channels/channel-messages.js';
import { CLOSE, type Position } from '@aerie/protocol';
import type { OriginPolicy } from '../../handshake/origin.js';
import type { ResumeProofs } from '../../handshake/resume-proofs.js';
import type { SessionAuthentication } from '../../handshake/session-authentication.js';
import type { Route, RouteContext, RouteOutcome } from '../../http/route.js';
import { Refusal } from '../../refusal.js';
import type { Arrival, Entrance } from '../entrance.js';
import { EventId } from '../event-id.js';
import type { HttpDoor } from '../http-door.js';
import type { HttpLinks } from '../http-links.js';
import { channelsIn, subscribeAll, type WantedChannel } from '../url-channels.js';
import { SseLink } from './sse-link.js';
import { SseWire } from './sse-wire.js';

export interface SseTransportOptions {
  readonly door: HttpDoor;
  readonly entrance: Entrance;
  readonly links: HttpLinks;
  readonly channels: Pick<ChannelMessages, 'subscribe'>;
  readonly authentication: Pick<SessionAuthentication, 'comesBack'>;
  readonly proofs: Pick<ResumeProofs, 'of'>;
  readonly origins: Pick<OriginPolicy, 'corsHeaders'>;
}

/** What a stream begins with. */
interface Beginning {
  readonly wanted: readonly WantedChannel[];
  /** Where its client's channels stood. */
  readonly positions: ReadonlyMap<string, Position>;
}

/** What keeps proxies from collecting what should be on its way. */
const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
  'x-content-type-options': 'nosniff',
} as const;

/** Server-sent events: a response that goes on, for clients that can't open a WebSocket. What they send comes by `POST /send`. */
export class SseTransport {
  readonly #logger = new Logger('AerieSse');
  readonly #options: SseTransportOptions;

  constructor(options: SseTransportOptions) {
    this.#options = options;
  }

  /** `GET <path>?channels=a,b`. */
  route(path: string): Route {
    return { method: 'GET', path, cors: true, handle: (context) => this.#open(context) };
  }

  async #open(context: RouteContext): Promise<RouteOutcome> {
    return this.#options.door.admit(context, 'sse', (arrival, whereabouts) => {
      const wanted = channelsIn(context.query, whereabouts.positions);
      if (wanted instanceof Refusal) return wanted;
      // A `HEAD` asks what a `GET` would be answered.
      if (context.request.method === 'HEAD') return { status: 200, headers: HEADERS };
      this.#begin(arrival, context.response, { wanted, positions: whereabouts.positions });
      return undefined;
    });
  }

  #begin(arrival: Arrival, response: ServerResponse, { wanted, positions }: Beginning): void {
    const { entrance, authentication, proofs, links, origins } = this.#options;
    const needsProof = !authentication.comesBack(arrival.request);
    let session = (): Arrival['session'] => arrival.session;
    const proof = (): string => proofs.of(session());
    const wire = new SseWire(response, new EventId(() => (needsProof ? proof() : ''), positions), proof);
    begin(response, { ...HEADERS, ...origins.corsHeaders(arrival.request) });
    const link = entrance.open(arrival, wire, {
      link: (client, ports) => {
        session = () => client.connection.session;
        return new SseLink(wire, client, ports);
      },
      welcomed: ({ connection }) => {
        // Without a channel that has a history no other id may ever come.
        if (needsProof) connection.sendFramed(wire.id(), { frames: 0 });
        subscribeAll(connection, wanted, this.#options.channels).catch((error: unknown) => {
          this.#logger.error(
            'channels could not be subscribed',
            error instanceof Error ? error.stack : undefined,
          );
          connection.close(CLOSE.serverFault);
        });
      },
    });
    links.add(link);
  }
}

// Not chunked: what many receive is written as it is. The end of the connection is the end of the response.
function begin(response: ServerResponse, headers: Readonly<Record<string, string>>): void {
  response.removeHeader('transfer-encoding');
  response.writeHead(200, headers);
  response.flushHeaders();
}

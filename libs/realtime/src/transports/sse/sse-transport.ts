import type { ServerResponse } from 'node:http';
import type { OriginPolicy } from '../../handshake/origin.js';
import type { Route, RouteContext, RouteOutcome } from '../../http/route.js';
import type { Arrival } from '../entrance.js';
import type { HttpDoor } from '../http-door.js';
import type { HttpEntrance, OpeningChannels } from '../http-entrance.js';
import { SseLink } from './sse-link.js';
import { SseWire } from './sse-wire.js';

export interface SseTransportOptions {
  readonly door: HttpDoor;
  readonly entrance: HttpEntrance;
  readonly origins: Pick<OriginPolicy, 'corsHeaders'>;
}

/** What keeps proxies from collecting what should be on its way. */
const HEADERS = {
  // Its end is that of the response.
  connection: 'close',
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
  'x-content-type-options': 'nosniff',
} as const;

/** Server-sent events: a response that goes on, for clients that can't open a WebSocket. What they send comes by `POST /send`. */
export class SseTransport {
  readonly #options: SseTransportOptions;

  constructor(options: SseTransportOptions) {
    this.#options = options;
  }

  /** `GET <path>?channels=a,b`. */
  route(path: string): Route {
    return { method: 'GET', path, cors: true, handle: (context) => this.#open(context) };
  }

  async #open(context: RouteContext): Promise<RouteOutcome> {
    return this.#options.door.admit(context, 'sse', (arrival, channels) => {
      // A `HEAD` asks what a `GET` would be answered.
      if (context.request.method === 'HEAD') return { status: 200, headers: HEADERS };
      this.#begin(arrival, context.response, channels);
      return undefined;
    });
  }

  #begin(arrival: Arrival, response: ServerResponse, channels: OpeningChannels): void {
    const { entrance, origins } = this.#options;
    begin(response, { ...HEADERS, ...origins.corsHeaders(arrival.request) });
    entrance.open(arrival, {
      channels,
      wire: (comingBack) => new SseWire(response, comingBack),
      link: (wire, client, ports) => new SseLink(wire, client, ports),
    });
  }
}

// Not chunked: what many receive is written as it is.
function begin(response: ServerResponse, headers: Readonly<Record<string, string>>): void {
  response.removeHeader('transfer-encoding');
  response.writeHead(200, headers);
  response.flushHeaders();
}

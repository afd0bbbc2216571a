import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { type Server as SocketServer, WebSocketServer } from 'ws';
import type { HandshakeGuards } from '../../handshake/handshake-guards.js';
import type { PathPattern } from '../../handshake/path-pattern.js';
import type { ClientFacade } from './client-facade.js';
import { ServerSocket } from './server-socket.js';
import { selectSubprotocol } from './upgrade-request.js';

const CLOSE_HANDSHAKE_MS = 5_000;

export interface EndpointOptions {
  readonly path: PathPattern;
  readonly httpServer: Server;
  readonly guards: HandshakeGuards;
  readonly maxFrameBytes: number;
}

export interface AcceptedUpgrade {
  readonly request: IncomingMessage;
  readonly socket: Socket;
  readonly head: Buffer;
}

/** What gateway classes get as their server. Its `clients` are facades, and only of connections in the registry. */
export type GatewayServer = WebSocketServer & { clients: Set<ClientFacade> };

/** One path on one HTTP server, with the gateway classes behind it. */
export class Endpoint {
  readonly path: PathPattern;
  readonly httpServer: Server;
  readonly guards: HandshakeGuards;
  readonly maxFrameBytes: number;
  readonly server: GatewayServer;
  readonly clients = new Set<ClientFacade>();
  readonly #upgrader: SocketServer<typeof ServerSocket>;

  constructor(options: EndpointOptions) {
    this.path = options.path;
    this.httpServer = options.httpServer;
    this.guards = options.guards;
    this.maxFrameBytes = options.maxFrameBytes;
    const upgrades = {
      noServer: true,
      clientTracking: false,
      WebSocket: ServerSocket,
      maxPayload: options.maxFrameBytes,
      perMessageDeflate: false,
      autoPong: false,
      closeTimeout: CLOSE_HANDSHAKE_MS,
      handleProtocols: selectSubprotocol,
    };
    this.#upgrader = new WebSocketServer(upgrades);
    const server = new WebSocketServer({ noServer: true, clientTracking: false });
    this.server = Object.assign(server, { clients: this.clients, path: options.path.path });
  }

  /** Answers 101. Synchronous: `opened` is called before this returns. */
  upgrade({ request, socket, head }: AcceptedUpgrade, opened: (ws: ServerSocket) => void): void {
    this.#upgrader.handleUpgrade(request, socket, head, opened);
  }

  /** The connection is registered: gateway classes hear of it as from `ws`. */
  announce(client: ClientFacade): void {
    this.clients.add(client);
    this.server.emit('connection', client, client.request);
  }

  forget(client: ClientFacade): void {
    this.clients.delete(client);
  }
}

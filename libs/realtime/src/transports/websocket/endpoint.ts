import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Server as SocketServer, WebSocketServer } from 'ws';
import type { HandshakeGuards } from '../../handshake/handshake-guards.js';
import type { PathPattern } from '../../handshake/path-pattern.js';
import type { ClientFacade, ClientHome } from '../client-facade.js';
import { CompressedSocket, DEFLATE, offersDeflate } from './compression.js';
import type { Framings } from './framings.js';
import type { GatewayMethod } from './gateway-method.js';
import { ServerSocket } from './server-socket.js';
import { selectSubprotocol } from './upgrade-request.js';

const ANY_EVENT = '*';
const CLOSE_HANDSHAKE_MS = 5_000;

/** A gateway class, which may want to know of its clients' ends. The hook must not throw. */
export interface DisconnectHook {
  handleDisconnect?(client: ClientFacade, code: number): unknown;
}

export interface EndpointOptions {
  readonly path: PathPattern;
  readonly httpServer: Server;
  readonly guards: HandshakeGuards;
  readonly gateways: readonly DisconnectHook[];
  /** What answers the messages of its clients, by event. */
  readonly methods: ReadonlyMap<string, GatewayMethod>;
  readonly maxFrameBytes: number;
  readonly framings: Framings;
}

export interface AcceptedUpgrade {
  readonly bare: IncomingMessage;
  readonly socket: Socket;
  readonly head: Buffer;
}

/** What gateway classes get as their server. Its `clients` are facades, and only of connections in the registry. */
export type GatewayServer = WebSocketServer & { clients: Set<ClientFacade> };

/** One path on one HTTP server, with the gateway classes behind it. */
export class Endpoint implements ClientHome {
  readonly path: PathPattern;
  readonly httpServer: Server;
  readonly guards: HandshakeGuards;
  readonly maxFrameBytes: number;
  readonly server: GatewayServer;
  readonly clients = new Set<ClientFacade>();
  readonly #gateways: readonly DisconnectHook[];
  readonly #methods: ReadonlyMap<string, GatewayMethod>;
  readonly #framings: Framings;
  readonly #upgrader: SocketServer<typeof ServerSocket>;
  readonly #compressing: SocketServer<typeof CompressedSocket> | undefined;

  constructor(options: EndpointOptions) {
    this.path = options.path;
    this.httpServer = options.httpServer;
    this.guards = options.guards;
    this.#gateways = options.gateways;
    this.#methods = options.methods;
    this.#framings = options.framings;
    this.maxFrameBytes = options.maxFrameBytes;
    const upgrades = {
      noServer: true,
      clientTracking: false,
      maxPayload: options.maxFrameBytes,
      autoPong: false,
      closeTimeout: CLOSE_HANDSHAKE_MS,
      handleProtocols: selectSubprotocol,
    };
    this.#upgrader = new WebSocketServer({ ...upgrades, WebSocket: ServerSocket, perMessageDeflate: false });
    this.#compressing = options.framings.compresses
      ? new WebSocketServer({ ...upgrades, WebSocket: CompressedSocket, perMessageDeflate: DEFLATE })
      : undefined;
    const server = new WebSocketServer({ noServer: true, clientTracking: false });
    this.server = Object.assign(server, { clients: this.clients, path: options.path.path });
  }

  /** Answers 101. Synchronous: `opened` is called before this returns. */
  upgrade({ bare, socket, head }: AcceptedUpgrade, opened: (ws: ServerSocket) => void): void {
    const done = (ws: ServerSocket): void => {
      socket.off('error', destroyOnError);
      ws.framing = this.#framings.of(ws.protocol, ws.extensions !== '');
      opened(ws);
    };
    if (this.#compressing !== undefined && offersDeflate(bare.headers['sec-websocket-extensions']))
      this.#compressing.handleUpgrade(bare, socket, head, done);
    else this.#upgrader.handleUpgrade(bare, socket, head, done);
  }

  announce(client: ClientFacade): void {
    this.clients.add(client);
    this.server.emit('connection', client, client.request);
  }

  /** The method that takes an event of its clients; a gateway may take what no other method does: `@SubscribeMessage('*')`. */
  methodFor(event: string): GatewayMethod | undefined {
    return this.#methods.get(event) ?? this.#methods.get(ANY_EVENT);
  }

  forget(client: ClientFacade, code: number, reason: string): void {
    const wasAnnounced = this.clients.delete(client);
    client.ended(code, reason);
    if (wasAnnounced) for (const gateway of this.#gateways) gateway.handleDisconnect?.(client, code);
  }
}

// An ECONNRESET while guards run would otherwise kill the process; `ws` has a listener of its own.
export function destroyOnError(this: Duplex): void {
  this.destroy();
}

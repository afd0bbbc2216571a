import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { WsAdapter } from '@nestjs/platform-ws';
import type { MessageMappingProperties } from '@nestjs/websockets';
import type { Observable } from 'rxjs';
import { BACKLOG } from '../../http/backlog.js';
import { HandshakeGuards, type GuardSources } from '../../handshake/handshake-guards.js';
import { PathPattern } from '../../handshake/path-pattern.js';
import { ClientFacade } from '../client-facade.js';
import { makeHooksSafe } from './connection-hooks.js';
import { Endpoint } from './endpoint.js';
import { installExceptionReplies } from './exception-replies.js';
import type { Framings } from './framings.js';
import { exploreGateways, type FoundGateway } from './gateway-explorer.js';
import { GatewayMethods } from './gateway-methods.js';
import type { WebSocketTransport } from './websocket-transport.js';

export interface RealtimeWsAdapterOptions {
  readonly transport: WebSocketTransport;
  readonly guards: GuardSources;
  /** The application's HTTP server; it exists only once the application is being initialised. */
  readonly httpServer: () => Server;
  /** Largest frame a client may send, where the gateway names no `maxPayload` of its own. */
  readonly maxFrameBytes: number;
  readonly framings: Framings;
}

interface GatewayOptions {
  readonly path?: string;
  readonly namespace?: unknown;
  readonly server?: unknown;
  readonly maxPayload?: number;
}

/**
 * Nest's `ws` adapter with Aerie underneath: gateway classes stay as they are, but upgrades go through the handshake, and
 * the clients that gateways see are registered connections.
 */
export class RealtimeWsAdapter extends WsAdapter {
  readonly #options: RealtimeWsAdapterOptions;
  readonly #ownServers = new Map<number, Server>();
  #gateways: readonly FoundGateway[] | undefined;

  constructor(options: RealtimeWsAdapterOptions) {
    super();
    this.#options = options;
    installExceptionReplies();
  }

  override create(port: number, options: GatewayOptions = {}): Endpoint['server'] {
    if (options.namespace !== undefined)
      throw new Error("namespaces are socket.io's; give the gateway a path");
    const path = new PathPattern(options.path ?? '/');
    const httpServer = port === 0 ? this.#options.httpServer() : this.#ownServer(port);
    const known = this.#options.transport.endpointAt(httpServer, path.path);
    if (known !== undefined) return known.server;
    const gateways = this.#gatewaysAt(path, port);
    const endpoint = new Endpoint({
      path,
      httpServer,
      guards: this.#guardsOf(gateways),
      gateways: gateways.map(({ instance }) => instance),
      methods: new GatewayMethods(this.#options.guards.modules, this.#options.guards.config).of(gateways),
      maxFrameBytes: options.maxPayload ?? this.#options.maxFrameBytes,
      framings: this.#options.framings,
    });
    this.#options.transport.listen(endpoint);
    return endpoint.server;
  }

  /** Our clients' messages go to the methods of their endpoint: Nest's callbacks, bound anew for each client, aren't kept. */
  override bindMessageHandlers(
    client: unknown,
    handlers: MessageMappingProperties[],
    transform: (data: unknown) => Observable<unknown>,
  ): void {
    if (!(client instanceof ClientFacade)) super.bindMessageHandlers(client, handlers, transform);
  }

  override bindClientDisconnect(
    client: { once(event: string, listener: (...args: unknown[]) => void): void },
    callback: (...args: unknown[]) => void,
  ): void {
    // Our clients' endpoint tells its gateways itself, without a listener for each of them on each client.
    if (!(client instanceof ClientFacade)) client.once('close', callback);
  }

  /** Nest's own terminates every socket: clients would see 1006. Connections have been closed by the drain. */
  override async close(): Promise<void> {}

  /** Gateways with a port of their own take clients only once the application is initialised. */
  async openOwnPorts(): Promise<void> {
    for (const [port, server] of this.#ownServers) if (!server.listening) await listen(server, port);
  }

  override async dispose(): Promise<void> {
    await Promise.all(
      [...this.#ownServers.values()].map((server) => new Promise((resolve) => server.close(resolve))),
    );
    this.#ownServers.clear();
  }

  #ownServer(port: number): Server {
    const known = this.#ownServers.get(port);
    if (known !== undefined) return known;
    const server = createServer((_request, response) => response.writeHead(404).end());
    this.#ownServers.set(port, server);
    return server;
  }

  #gatewaysAt(path: PathPattern, port: number): readonly FoundGateway[] {
    this.#gateways ??= exploreGateways(this.#options.guards.modules);
    return this.#gateways.filter((gateway) => gateway.path === path.path && gateway.port === port);
  }

  // A request-scoped guard makes its gateway so, too: the guards are asked first, so that the message names the culprit.
  #guardsOf(gateways: readonly FoundGateway[]): HandshakeGuards {
    const guards = new HandshakeGuards(gateways, this.#options.guards);
    for (const { instance, metatype, isStatic } of gateways) {
      if (!isStatic)
        throw new Error(
          `${metatype.name}, or something that it uses, is request-scoped, which a long-lived connection can't be. Make it a singleton.`,
        );
      makeHooksSafe(instance);
    }
    return guards;
  }
}

/** Rejects where the port can't be had: the application does not start without its gateway. */
async function listen(server: Server, port: number): Promise<void> {
  server.listen({ port, backlog: BACKLOG });
  await once(server, 'listening');
}

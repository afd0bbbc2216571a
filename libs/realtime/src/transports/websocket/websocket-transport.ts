import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Connection } from '../../connections/connection.js';
import type { Session } from '../../connections/session.js';
import type { Handshake } from '../../handshake/handshake.js';
import type { HandshakeLog } from '../../handshake/handshake-log.js';
import { adoptResponse, prepareResponse } from '../../handshake/handshake-request.js';
import type { OriginPolicy } from '../../handshake/origin.js';
import type { Quarantine } from '../../handshake/quarantine.js';
import type { HttpEdge } from '../../http/http-edge.js';
import { pathOf } from '../../http/request-target.js';
import type { RouteOutcome } from '../../http/route.js';
import { Refusal } from '../../refusal.js';
import { attemptOf, type AttemptSources } from '../attempt.js';
import type { ClientFacade } from '../client-facade.js';
import type { Endpoint } from './endpoint.js';
import type { Entrance } from '../entrance.js';
import { type EarlyFrames, FirstMessage } from './first-message.js';
import { type RawUpgrade, type Upgrade, upgradeOf } from './upgrade.js';
import type { ServerSocket } from './server-socket.js';
import { malformedUpgrade } from './upgrade-request.js';
import { WebSocketLink } from './websocket-link.js';
import { WebSocketWire } from './websocket-wire.js';
import { writeRefusal } from './write-refusal.js';

const UPGRADE_REQUIRED: RouteOutcome = {
  status: 426,
  headers: { upgrade: 'websocket' },
  body: { error: { code: 'invalid', message: 'this is a WebSocket endpoint: upgrade' } },
};
const HEAD_BYTES = 64 * 1024;

export interface WebSocketTransportOptions extends AttemptSources {
  readonly edge: HttpEdge;
  readonly handshake: Handshake;
  readonly quarantine: Quarantine;
  readonly origins: OriginPolicy;
  readonly log: HandshakeLog;
  readonly entrance: Entrance;
}

/** Who comes in, and what it sent before it was in. */
interface Opening extends EarlyFrames {
  readonly session: Session;
}

/** Turns upgrade requests into connections, by way of the handshake. Refusals are HTTP responses: before the 101 nothing is accepted. */
export class WebSocketTransport {
  readonly #options: WebSocketTransportOptions;
  readonly #endpoints: Endpoint[] = [];

  constructor(options: WebSocketTransportOptions) {
    this.#options = options;
    options.edge.onUnknownUpgrade((request, socket, head) =>
      this.#take(undefined, { request, socket, head }),
    );
  }

  endpointAt(httpServer: Server, path: string): Endpoint | undefined {
    return this.#endpoints.find(
      (endpoint) => endpoint.httpServer === httpServer && endpoint.path.path === path,
    );
  }

  listen(endpoint: Endpoint): void {
    const { edge } = this.#options;
    this.#endpoints.push(endpoint);
    edge.attach(endpoint.httpServer);
    const mine = (request: IncomingMessage): boolean =>
      serverOf(request) === endpoint.httpServer && endpoint.path.match(pathOf(request)) !== undefined;
    edge.onUpgrade(mine, (request, socket, head) => this.#take(endpoint, { request, socket, head }));
    // At the root the application has a page of its own.
    if (endpoint.path.path === '/') return;
    edge.add({
      method: 'GET',
      path: endpoint.path.path,
      cors: true,
      shared: true,
      handle: ({ request, response }) => this.#dryRun(endpoint, request, response),
    });
  }

  /** What gateway classes, guards and decorators see of a connection. */
  clientOf(connection: Connection): ClientFacade | undefined {
    return this.#options.entrance.clientOf(connection);
  }

  /** Authenticates the `$auth` of a live connection by the request that opened it. */
  async renew(connection: Connection, data: unknown): Promise<Session | Refusal> {
    const client = this.clientOf(connection);
    if (client === undefined) return new Refusal('unavailable', 'the connection is closing');
    const { request, addressGroup, endpoint } = client;
    const response = prepareResponse(request, this.#options.platform());
    const attempt = { request, response, addressGroup, guards: endpoint.guards };
    const renewed = await this.#options.handshake.renew(attempt, data);
    client.user = request.user;
    return renewed;
  }

  #take(endpoint: Endpoint | undefined, raw: RawUpgrade): void {
    const upgrade = upgradeOf(raw, endpoint, this.#options);
    if (upgrade !== undefined) void this.#run(upgrade);
  }

  async #run(upgrade: Upgrade): Promise<void> {
    try {
      const admitted =
        malformedUpgrade(upgrade.bare) ??
        headTooLarge(upgrade) ??
        (await this.#options.handshake.admit(upgrade));
      if (upgrade.socket.destroyed) this.#options.log.abandoned(upgrade);
      else if (admitted instanceof Refusal) this.#refuse(upgrade, admitted);
      else if ('session' in admitted) this.#accept(upgrade, admitted.session);
      else this.#quarantine(upgrade);
    } catch (error) {
      this.#options.log.fault(error);
      this.#refuseAfterFault(upgrade);
    }
  }

  // What failed may have been the answer itself.
  #refuseAfterFault(upgrade: Upgrade): void {
    const faulty = { retryAfterSeconds: 5, reason: 'fault' };
    try {
      this.#refuse(upgrade, new Refusal('unavailable', 'the handshake failed', faulty));
    } catch {
      upgrade.socket.destroy();
    }
  }

  #refuse(upgrade: Upgrade, refusal: Refusal): void {
    this.#options.log.refused(upgrade, refusal);
    const { response, socket, request } = upgrade;
    writeRefusal({ request, response, socket, refusal, headers: this.#options.origins.corsHeaders(request) });
  }

  #accept(upgrade: Upgrade, session: Session): void {
    const refusal = this.#options.handshake.admits(session);
    if (refusal !== undefined) return this.#refuse(upgrade, refusal);
    const { endpoint, socket } = upgrade;
    // The 101 and a `$welcome` that need not wait for the backplane go out in one write.
    socket.cork();
    process.nextTick(() => socket.uncork());
    endpoint?.upgrade(upgrade, (ws) => this.#enter(upgrade, ws, session));
  }

  // After the 101 there is no HTTP left to refuse with.
  #enter(upgrade: Upgrade, ws: ServerSocket, session: Session): void {
    try {
      this.#open(upgrade, ws, { session, frames: [] });
    } catch (error) {
      this.#options.log.fault(error);
      ws.terminate();
    }
  }

  #open(upgrade: Upgrade, ws: ServerSocket, { session, frames, authId }: Opening): void {
    if (upgrade.endpoint === undefined) return;
    const wire = new WebSocketWire(ws, upgrade.socket);
    const { expiresAt = null } = session;
    const link = this.#options.entrance.open({ ...upgrade, endpoint: upgrade.endpoint, session }, wire, {
      link: (client, ports) => new WebSocketLink(wire, client, ports),
      ...(authId !== undefined && { first: JSON.stringify({ id: authId, data: { expiresAt } }) }),
    });
    for (const { data, isBinary } of frames) link.onMessage(data, isBinary);
  }

  #quarantine(upgrade: Upgrade): void {
    const closed = this.#options.handshake.closed();
    if (closed !== undefined) return this.#refuse(upgrade, closed);
    upgrade.endpoint?.upgrade(upgrade, (ws) => {
      const waiting = new FirstMessage({
        ws,
        socket: upgrade.socket,
        addressGroup: upgrade.addressGroup,
        authenticate: (data) => this.#options.handshake.authenticate(upgrade, data),
        guard: () => this.#options.handshake.guard(upgrade),
        letsIn: (session) => this.#options.handshake.letsIn(session),
        onAuthenticated: (session, early) => this.#open(upgrade, ws, { session, ...early }),
        onRefused: (refusal) => this.#options.log.refused(upgrade, refusal),
        onAbandoned: () => this.#options.log.abandoned(upgrade),
        quarantine: this.#options.quarantine,
      });
      waiting.begin();
    });
  }

  async #dryRun(endpoint: Endpoint, bare: IncomingMessage, response: ServerResponse): Promise<RouteOutcome> {
    const way = { transport: 'websocket', endpoint } as const;
    const attempt = { ...attemptOf(bare, way, this.#options), dryRun: true };
    adoptResponse(attempt.request, response, this.#options.platform());
    const admitted = await this.#options.handshake.admit({ ...attempt, response });
    if (response.headersSent) return undefined;
    return admitted instanceof Refusal ? admitted : UPGRADE_REQUIRED;
  }
}

function headTooLarge({ head }: Upgrade): Refusal | undefined {
  return head.byteLength > HEAD_BYTES
    ? new Refusal('too_large', 'too much sent before the handshake ended')
    : undefined;
}

// Node keeps the server on each of its sockets; a request without it can't be told apart and matches none.
function serverOf(request: IncomingMessage): unknown {
  return 'server' in request.socket ? request.socket.server : undefined;
}

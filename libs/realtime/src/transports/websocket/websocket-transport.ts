import { randomBytes } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { CLOSE } from '@aerie/protocol';
import { Connection, type ConnectionEnd } from '../../connections/connection.js';
import type { ConnectionRegistry } from '../../connections/connection-registry.js';
import type { Heartbeat } from '../../connections/heartbeat.js';
import type { OutboxBudget } from '../../connections/outbox-budget.js';
import type { Session } from '../../connections/session.js';
import type { ClientAddress } from '../../handshake/client-address.js';
import type { HandshakeRequest } from '../../handshake/authenticator.js';
import type { Handshake, HandshakeAttempt } from '../../handshake/handshake.js';
import type { HandshakeLog } from '../../handshake/handshake-log.js';
import { type Platform, prepareRequest, prepareResponse } from '../../handshake/handshake-request.js';
import type { OriginPolicy } from '../../handshake/origin.js';
import type { Quarantine } from '../../handshake/quarantine.js';
import { Refusal } from '../../handshake/refusal.js';
import type { HttpEdge } from '../../http/http-edge.js';
import type { RouteOutcome } from '../../http/route.js';
import type { RealtimeMetrics } from '../../metrics/meter.js';
import { ClientFacade } from './client-facade.js';
import type { Endpoint } from './endpoint.js';
import { type EarlyFrames, FirstMessage } from './first-message.js';
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

/** What becomes of a connection once it is registered: greeting, messages, channels. The floor above decides. */
export interface Greeter {
  /** Greets it; from then on its messages are taken by what this returns. */
  greet(
    client: ClientFacade,
    endpoint: Endpoint,
  ): { receive(data: Buffer, isBinary: boolean): void; end(end: ConnectionEnd): void };
}

export interface WebSocketTransportOptions {
  readonly edge: HttpEdge;
  readonly handshake: Handshake;
  readonly quarantine: Quarantine;
  readonly addresses: ClientAddress;
  readonly origins: OriginPolicy;
  readonly registry: ConnectionRegistry;
  readonly heartbeat: Heartbeat;
  readonly budget: OutboxBudget;
  readonly metrics: RealtimeMetrics;
  readonly log: HandshakeLog;
  readonly greeter: Greeter;
  readonly platform: () => Platform;
  readonly outboxBytes: number;
  readonly maxConnectionsPerUser: number | undefined;
}

interface RawUpgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** An upgrade on its way through the handshake. */
interface Upgrade extends HandshakeAttempt {
  readonly endpoint: Endpoint | undefined;
  readonly socket: Socket;
  readonly head: Buffer;
  readonly address: string;
  readonly startedAt: number;
}

/** Who comes in, and what it sent before it was in. */
interface Opening extends EarlyFrames {
  readonly session: Session;
}

/** Turns upgrade requests into connections, by way of the handshake. Refusals are HTTP responses: before the 101 nothing is accepted. */
export class WebSocketTransport {
  readonly #options: WebSocketTransportOptions;
  readonly #endpoints: Endpoint[] = [];
  readonly #attempts = new WeakMap<Connection, Upgrade>();
  readonly #clients = new WeakMap<Connection, ClientFacade>();

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
    edge.add({
      method: 'GET',
      path: endpoint.path.path,
      cors: true,
      handle: ({ request, response }) => this.#dryRun(endpoint, request, response),
    });
  }

  /** Makes of a bare HTTP request what authenticators and guards expect. */
  prepare(request: IncomingMessage): HandshakeRequest {
    return this.#attempt(undefined, request).request;
  }

  /** What gateway classes, guards and decorators see of a connection. */
  clientOf(connection: Connection): ClientFacade | undefined {
    return this.#clients.get(connection);
  }

  /** Authenticates the `$auth` of a live connection by the request that opened it. */
  async renew(connection: Connection, data: unknown): Promise<Session | Refusal> {
    const attempt = this.#attempts.get(connection);
    if (attempt === undefined) return new Refusal('unavailable', 'the connection is closing');
    const response = prepareResponse(attempt.request, this.#options.platform());
    const renewed = await this.#options.handshake.renew({ ...attempt, response }, data);
    const client = this.#clients.get(connection);
    if (client !== undefined) client.user = attempt.request.user;
    return renewed;
  }

  #take(endpoint: Endpoint | undefined, { request, socket, head }: RawUpgrade): void {
    // An ECONNRESET while guards run would otherwise kill the process.
    socket.on('error', () => socket.destroy());
    if (!(socket instanceof Socket)) {
      socket.destroy();
      return;
    }
    const startedAt = performance.now();
    void this.#run({ endpoint, socket, head, startedAt, ...this.#attempt(endpoint, request) });
  }

  #attempt(
    endpoint: Endpoint | undefined,
    bare: IncomingMessage,
  ): Omit<Upgrade, 'endpoint' | 'socket' | 'head' | 'startedAt'> {
    const { addresses, platform } = this.#options;
    const address = addresses.of(bare);
    const params = endpoint?.path.match(pathOf(bare)) ?? {};
    const request = prepareRequest(bare, { ip: address, params, platform: platform() });
    return {
      request,
      response: prepareResponse(bare, platform()),
      address,
      addressGroup: addresses.groupOf(address),
      guards: endpoint?.guards,
    };
  }

  async #run(upgrade: Upgrade): Promise<void> {
    try {
      const admitted =
        malformedUpgrade(upgrade.request) ??
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
    writeRefusal({ response, socket, refusal, headers: this.#options.origins.corsHeaders(request) });
  }

  #accept(upgrade: Upgrade, session: Session): void {
    const refusal = this.#options.handshake.admits(session);
    if (refusal !== undefined) return this.#refuse(upgrade, refusal);
    upgrade.endpoint?.upgrade(upgrade, (ws) => this.#open(upgrade, ws, { session, frames: [] }));
  }

  #quarantine(upgrade: Upgrade): void {
    upgrade.endpoint?.upgrade(upgrade, (ws) => {
      const waiting = new FirstMessage({
        ws,
        socket: upgrade.socket,
        addressGroup: upgrade.addressGroup,
        authenticate: (data) => this.#options.handshake.authenticate(upgrade, data),
        guard: () => this.#options.handshake.guard(upgrade),
        admits: (session) => this.#options.handshake.admits(session),
        onAuthenticated: (session, early) => this.#open(upgrade, ws, { session, ...early }),
        onRefused: (refusal) => this.#options.log.refused(upgrade, refusal),
        onAbandoned: () => this.#options.log.abandoned(upgrade),
        quarantine: this.#options.quarantine,
      });
      waiting.begin();
    });
  }

  #open(upgrade: Upgrade, ws: ServerSocket, { session, frames, authId }: Opening): void {
    const { endpoint } = upgrade;
    if (endpoint === undefined) return;
    this.#makeRoom(session);
    const wire = new WebSocketWire(ws, upgrade.socket);
    const connection = this.#connection(upgrade, wire, session);
    const client = new ClientFacade(connection, upgrade.request);
    this.#attempts.set(connection, upgrade);
    this.#clients.set(connection, client);
    let greeted: ReturnType<Greeter['greet']> | undefined;
    const waiting: [Buffer, boolean][] = frames.map((frame) => [frame, false]);
    ws.on('error', () => undefined);
    const link = new WebSocketLink({
      wire,
      connection,
      heartbeat: this.#options.heartbeat,
      onMessage: (data, isBinary) =>
        greeted === undefined ? waiting.push([data, isBinary]) : greeted.receive(data, isBinary),
      onPong: (data) => client.emit('pong', data),
      onBytes: (count) => this.#options.metrics.bytesReceived.inc(count),
      onDead: () => this.#options.metrics.heartbeatTimeouts.inc(),
      onEnd: (end) => {
        endpoint.forget(client);
        this.#options.registry.remove(connection, end);
        client.ended(end.code, end.reason);
        greeted?.end(end);
      },
    });
    link.start();
    this.#options.registry.add(connection);
    this.#options.log.accepted(upgrade, connection);
    if (authId !== undefined)
      connection.sendPayload(JSON.stringify({ id: authId, data: { expiresAt: session.expiresAt ?? null } }));
    greeted = this.#options.greeter.greet(client, endpoint);
    for (const [data, isBinary] of waiting) greeted.receive(data, isBinary);
  }

  #connection(upgrade: Upgrade, wire: WebSocketWire, session: Session): Connection {
    return new Connection({
      id: randomBytes(12).toString('base64url'),
      wire,
      session,
      address: upgrade.address,
      endpoint: upgrade.endpoint?.path.path ?? '',
      outboxBytes: this.#options.outboxBytes,
      budget: this.#options.budget,
      onSlow: () => this.#options.metrics.slowConsumers.inc(),
      onSent: (frames, bytes) => {
        this.#options.metrics.framesSent.inc(frames);
        this.#options.metrics.bytesSent.inc(bytes);
      },
    });
  }

  #makeRoom({ user }: Session): void {
    const max = this.#options.maxConnectionsPerUser;
    const own = this.#options.registry.ofUser(user);
    if (max === undefined || own.size < max) return;
    const open = [...own].filter((connection) => connection.isOpen);
    for (const oldest of open.slice(0, open.length - max + 1)) oldest.close(CLOSE.replaced);
  }

  async #dryRun(
    endpoint: Endpoint,
    bare: IncomingMessage,
    response: Upgrade['response'],
  ): Promise<RouteOutcome> {
    const attempt = { ...this.#attempt(endpoint, bare), dryRun: true };
    const { response: platformResponse } = this.#options.platform();
    if (platformResponse !== undefined) Object.setPrototypeOf(response, platformResponse);
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

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0] ?? '/';
}

// Node keeps the server on each of its sockets; a request without it can't be told apart and matches none.
function serverOf(request: IncomingMessage): unknown {
  return 'server' in request.socket ? request.socket.server : undefined;
}

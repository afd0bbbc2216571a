import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { Logger } from '@nestjs/common';
import { Refusal } from '../refusal.js';
import { deepenBacklog } from './backlog.js';
import { readJson } from './body.js';
import { preflight, type CrossOrigin } from './cross-origin.js';
import { interpose, type Exchange, type Upgrade } from './interposition.js';
import { pathOf, queryOf } from './request-target.js';
import { type OwedAnswer, refusalReply, respond } from './respond.js';
import { RouteTable, type MethodsOnly, type RouteMatch } from './route-table.js';
import type { Route, RouteOutcome } from './route.js';

/** Takes over an upgrade on the raw socket; from then on the socket is its own, errors included. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

export interface HttpEdgeOptions {
  /** Who may ask from another origin. Without it no route answers across origins. */
  readonly origins?: CrossOrigin;
  /** Whether replies end keep-alive now (a node that drains). Default: never. */
  readonly closing?: () => boolean;
  /** Told of what each reply holds until its client has taken it. */
  readonly owed?: OwedAnswer;
}

interface UpgradeRoute {
  readonly matches: (request: IncomingMessage) => boolean;
  readonly handle: UpgradeHandler;
}

/**
 * Aerie's place on the application's HTTP server: takes the requests and upgrades of Aerie's own paths before the
 * application's platform (Express, Fastify) and any other WebSocket library see them, and leaves everything else as it is.
 * Routes may be added and removed at any time.
 */
export class HttpEdge {
  readonly #logger = new Logger('AerieHttp');
  readonly #routes = new RouteTable();
  readonly #upgrades = new Set<UpgradeRoute>();
  readonly #attached = new Map<Server, () => void>();
  readonly #answering = new WeakMap<object, number>();
  #unknownUpgrade: UpgradeHandler | undefined;
  #accepted = 0;

  constructor(private readonly options: HttpEdgeOptions = {}) {}

  /** Connections that its servers have accepted so far. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Serves a route; the returned function ends that. */
  add(route: Route): () => void {
    return this.#routes.add(route);
  }

  /** Hands the upgrades that `matches` to `handle`, first come first served; the returned function ends that. */
  onUpgrade(matches: UpgradeRoute['matches'], handle: UpgradeHandler): () => void {
    const route = { matches, handle };
    this.#upgrades.add(route);
    return () => this.#upgrades.delete(route);
  }

  /** Gets WebSocket upgrades that nobody on this server wants; without it they are destroyed. */
  onUnknownUpgrade(handle: UpgradeHandler): void {
    this.#unknownUpgrade = handle;
  }

  /** Steps in front of a server's listeners, those added later included. Once per server. */
  attach(server: Server): void {
    if (this.#attached.has(server)) return;
    const release = interpose(server, {
      request: (exchange, alone) => this.#request(exchange, alone),
      upgrade: (upgrade, alone) => this.#upgrade(upgrade, alone),
      ownsUpgrade: (request) => this.#upgradeRoute(request) !== undefined,
    });
    const restore = deepenBacklog(server);
    server.on('connection', this.#count);
    this.#attached.set(server, () => {
      server.off('connection', this.#count);
      restore();
      release();
    });
  }

  /** Gives every server back as it was. Connections that were taken over are not touched. */
  detach(): void {
    for (const release of this.#attached.values()) release();
    this.#attached.clear();
  }

  readonly #count = (): void => {
    this.#accepted += 1;
  };

  #upgradeRoute(request: IncomingMessage): UpgradeRoute | undefined {
    for (const route of this.#upgrades) if (route.matches(request)) return route;
    return undefined;
  }

  #upgrade({ request, socket, head }: Upgrade, alone: boolean): boolean {
    const route = this.#upgradeRoute(request);
    if (!route && !alone) return false;
    const handle = route?.handle ?? this.#unknownUpgrade;
    // A response that is still due on this socket would be written into whatever the upgrade makes of it.
    if (!handle || this.#answering.has(socket)) return socket.destroy().destroyed;
    try {
      handle(request, socket, head);
    } catch (error) {
      this.#logger.error('an upgrade failed', stackOf(error));
      socket.destroy();
    }
    return true;
  }

  #request(exchange: Exchange, alone: boolean): boolean {
    this.#countAnswers(exchange);
    const { method = 'GET', headers } = exchange.request;
    const asked = method === 'OPTIONS' ? headers['access-control-request-method'] : method;
    const match = this.#routes.match(method, pathOf(exchange.request), asked);
    if (match) void this.#serve(exchange, match);
    else if (alone)
      respond({ ...exchange, reply: refusalReply(new Refusal('not_found', 'nothing is here')) });
    return match !== undefined || alone;
  }

  #countAnswers({ request: { socket }, response }: Exchange): void {
    this.#answering.set(socket, (this.#answering.get(socket) ?? 0) + 1);
    response.once('close', () => {
      const rest = (this.#answering.get(socket) ?? 1) - 1;
      if (rest > 0) this.#answering.set(socket, rest);
      else this.#answering.delete(socket);
    });
  }

  async #serve(exchange: Exchange, match: RouteMatch): Promise<void> {
    const outcome = await this.#outcomeOf(exchange, match);
    if (outcome === undefined) return;
    const reply = outcome instanceof Refusal ? refusalReply(outcome) : outcome;
    const headers = isCrossOrigin(match) ? (this.options.origins?.corsHeaders(exchange.request) ?? {}) : {};
    const { closing, owed } = this.options;
    respond({ ...exchange, reply, headers, close: closing?.() ?? false, owed });
  }

  async #outcomeOf({ request, response }: Exchange, match: RouteMatch): Promise<RouteOutcome> {
    if ('allow' in match) return this.#withoutRoute(request, match);
    const { route, params } = match;
    try {
      return await route.handle({
        request,
        response,
        params,
        query: queryOf(request),
        json: () => readJson(request),
      });
    } catch (error) {
      // The route's pattern, not the request's URL: that may hold a credential.
      this.#logger.error(`${route.method} ${route.path} failed`, stackOf(error));
      // Nothing can be said any more, and nobody else would end it.
      if (response.headersSent && !response.writableEnded) response.destroy();
      return new Refusal('internal', 'internal error');
    }
  }

  #withoutRoute(request: IncomingMessage, { allow, cors }: MethodsOnly): RouteOutcome {
    if (request.method === 'OPTIONS' && cors && this.options.origins)
      return preflight(request, this.options.origins, allow);
    const { body } = new Refusal('invalid', `${request.method} is not allowed here`);
    return { status: 405, headers: { allow: allow.join(', ') }, body: { error: body } };
  }
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
}

function isCrossOrigin(match: RouteMatch): boolean {
  return 'allow' in match ? match.cors : match.route.cors === true;
}

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { pathOf, queryOf } from '../http/request-target.js';
import { refusalReply, respond } from '../http/respond.js';
import type { RouteReply } from '../http/route.js';
import { Refusal } from '../refusal.js';
import type { Drain } from './drain.js';

const LOOPBACK_HOSTS = new Set(['127.0.0.1', 'localhost', '[::1]']);
const CLOSE_MS = 1_000;
/** A preStop hook and a few who look; more would cost descriptors that the admission does not count. */
const MAX_CONNECTIONS = 8;

export interface InternalServerOptions {
  readonly drain: Drain;
  /** On 127.0.0.1 only; 0 takes a free one. */
  readonly port: number;
}

/**
 * What the machine itself may ask of a node, on 127.0.0.1 only: `POST /internal/drain` starts or joins the drain (202 with
 * its state; with `?wait=1` it answers 200 when it is over), `GET /internal/state` reads it. Never ends the process.
 * Browsers are kept out: a page of the machine's user could otherwise reach it by a rebound name.
 */
export class InternalServer implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #drain: Drain;
  readonly #wantedPort: number;
  readonly #server: Server;

  constructor({ drain, port }: InternalServerOptions) {
    this.#drain = drain;
    this.#wantedPort = port;
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** The port it listens on; 0 before. */
  get port(): number {
    const address = this.#server.address();
    return address === null || typeof address === 'string' ? 0 : address.port;
  }

  /** Rejects, and so stops the boot, where the port is taken: a preStop hook would drain someone else. */
  async onApplicationBootstrap(): Promise<void> {
    this.#server.listen(this.#wantedPort, '127.0.0.1');
    await once(this.#server, 'listening');
    new Logger('AerieInternal').log(`internal routes on 127.0.0.1:${this.port}`);
  }

  /** Lets answers under way finish. */
  async onApplicationShutdown(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    const timer = setTimeout(() => this.#server.closeAllConnections(), CLOSE_MS);
    await closed;
    clearTimeout(timer);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const reply = notLocal(request) ?? (await this.#answer(request));
    respond({
      request,
      response,
      reply: reply instanceof Refusal ? refusalReply(reply) : reply,
      close: true,
    });
  }

  #answer(request: IncomingMessage): Promise<RouteReply> | RouteReply | Refusal {
    switch (pathOf(request)) {
      case '/internal/drain':
        return request.method === 'POST' ? this.#begin(request) : wrongMethod('POST');
      case '/internal/state':
        return request.method === 'GET' ? { body: this.#drain.report } : wrongMethod('GET');
      default:
        return new Refusal('not_found', 'no such internal route');
    }
  }

  async #begin(request: IncomingMessage): Promise<RouteReply> {
    const over = this.#drain.begin();
    if (queryOf(request).get('wait') !== '1') return { status: 202, body: this.#drain.report };
    await over;
    return { body: this.#drain.report };
  }
}

function wrongMethod(allow: string): RouteReply {
  const { body } = new Refusal('invalid', `only ${allow} is allowed here`);
  return { status: 405, headers: { allow }, body: { error: body } };
}

function notLocal({ headers }: IncomingMessage): Refusal | undefined {
  if (headers.origin !== undefined) return new Refusal('forbidden', 'not for browsers');
  const host = (headers.host ?? '').replace(/:\d+$/, '').toLowerCase();
  return LOOPBACK_HOSTS.has(host) ? undefined : new Refusal('forbidden', 'not for this host name');
}

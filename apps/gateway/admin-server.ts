import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { HttpEdge, type Route } from '@aerie/realtime';

/** Some scrapers and people; more would cost descriptors that the admission does not count. */
const MAX_CONNECTIONS = 16;

export interface AdminServerOptions {
  readonly port: number;
  readonly host: string;
  readonly routes: readonly Route[];
}

/** A port of its own for operations (`ADMIN_PORT`), so that the public one need not show them. */
export class AdminServer implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #edge = new HttpEdge();
  readonly #server: Server = createServer((_request, response) => response.writeHead(404).end());
  readonly #options: AdminServerOptions;

  constructor(options: AdminServerOptions) {
    this.#options = options;
    this.#server.maxConnections = MAX_CONNECTIONS;
    for (const route of options.routes) this.#edge.add(route);
    this.#edge.attach(this.#server);
  }

  async onApplicationBootstrap(): Promise<void> {
    this.#server.listen(this.#options.port, this.#options.host);
    await once(this.#server, 'listening');
  }

  async onApplicationShutdown(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}

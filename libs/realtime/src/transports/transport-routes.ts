import type { OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import type { HttpEdge } from '../http/http-edge.js';
import type { Route } from '../http/route.js';

/** Keeps the transports' routes on the HTTP edge for as long as the application lives. */
export class TransportRoutes implements OnModuleInit, OnApplicationShutdown {
  #removals: readonly (() => void)[] = [];

  constructor(
    private readonly edge: HttpEdge,
    private readonly routes: readonly Route[],
  ) {}

  onModuleInit(): void {
    this.#removals = this.routes.map((route) => this.edge.add(route));
  }

  // Not sooner: clients send until the last of them is closed.
  onApplicationShutdown(): void {
    for (const remove of this.#removals) remove();
  }
}

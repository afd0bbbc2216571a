import type { OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import type { HttpEdge } from '../http/http-edge.js';
import type { Route } from '../http/route.js';
import { buildOpenApi } from './openapi.js';
import { operationRoute, type OperationRouteDeps } from './operation-route.js';
import { OPERATIONS } from './operations/index.js';

/** Keeps the server API on the HTTP edge for as long as the application lives. */
export class ApiRoutes implements OnModuleInit, OnApplicationShutdown {
  #removals: readonly (() => void)[] = [];

  constructor(
    private readonly edge: HttpEdge,
    private readonly deps: OperationRouteDeps,
  ) {}

  onModuleInit(): void {
    const operations = OPERATIONS.map((operation) => operationRoute(operation, this.deps));
    this.#removals = [...operations, openApiRoute(this.deps.prefix)].map((route) => this.edge.add(route));
  }

  // Not sooner: a backend may publish until the node's drivers close.
  onApplicationShutdown(): void {
    for (const remove of this.#removals) remove();
  }
}

/** Needs no key: the document is the same for everybody and tells nothing of this node. */
function openApiRoute(prefix: string): Route {
  const document = buildOpenApi(OPERATIONS, { prefix });
  return { method: 'GET', path: `${prefix}/openapi.json`, handle: () => ({ body: document }) };
}

import type { OnApplicationBootstrap, OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import type { Descriptors } from '../connections/descriptors.js';
import type { Drain } from '../drain/drain.js';
import type { GrpcServer } from './grpc-server.js';

export interface GrpcLifecycleParts {
  readonly server: GrpcServer;
  readonly drain: Pick<Drain, 'onPhase'>;
  readonly descriptors: Pick<Descriptors, 'watch'>;
}

/** When the server listens, sends its clients away, and ends. */
export class GrpcLifecycle implements OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown {
  readonly #parts: GrpcLifecycleParts;
  #releases: (() => void)[] = [];

  constructor(parts: GrpcLifecycleParts) {
    this.#parts = parts;
  }

  // What is open stays until its slot: only the next call of a client goes elsewhere.
  onModuleInit(): void {
    const { server, drain, descriptors } = this.#parts;
    this.#releases = [
      descriptors.watch(server.server),
      drain.onPhase((phase) => {
        if (phase === 'draining') server.sendAway();
      }),
    ];
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.#parts.server.listen();
  }

  // Not sooner: backends publish until the last client is closed.
  async onApplicationShutdown(): Promise<void> {
    for (const release of this.#releases) release();
    await this.#parts.server.close();
  }
}

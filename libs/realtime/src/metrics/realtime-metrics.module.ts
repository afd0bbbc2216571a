import {
  ConfigurableModuleBuilder,
  Inject,
  Module,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { Admission } from '../connections/admission.js';
import { ConnectionRegistry } from '../connections/connection-registry.js';
import { Descriptors } from '../connections/descriptors.js';
import { OutboxBudget } from '../connections/outbox-budget.js';
import { Drain } from '../drain/drain.js';
import { Quarantine } from '../handshake/quarantine.js';
import { BackplaneWatch } from '../health/backplane-watch.js';
import { HttpEdge } from '../http/http-edge.js';
import { EventLoopDelay } from './event-loop-delay.js';
import { RealtimeMetrics } from './meter.js';
import { metricsRoute, type MetricsRouteOptions } from './metrics.route.js';
import { NodePresence } from '../presence/node-presence.js';
import { Sessions } from '../sessions/sessions.js';
import { observeNode, type ObservedNode } from './node-gauges.js';

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<MetricsRouteOptions>({
  moduleName: 'RealtimeMetrics',
})
  .setClassMethodName('forRoot')
  .build();

/** Serves `GET /metrics` in front of the application's platform. Needs `RealtimeModule` anywhere in the application. */
@Module({ providers: [EventLoopDelay] })
export class RealtimeMetricsModule
  extends ConfigurableModuleClass
  implements OnModuleInit, OnApplicationShutdown
{
  #unmount: (() => void) | undefined;

  constructor(
    private readonly modules: ModuleRef,
    private readonly loop: EventLoopDelay,
    @Inject(MODULE_OPTIONS_TOKEN) private readonly options: MetricsRouteOptions,
  ) {
    super();
  }

  onModuleInit(): void {
    const metrics = this.#find(RealtimeMetrics);
    observeNode(metrics, this.#node());
    this.#unmount = this.#find(HttpEdge).add(metricsRoute(metrics, this.options));
  }

  onApplicationShutdown(): void {
    this.#unmount?.();
  }

  #node(): ObservedNode {
    return {
      registry: this.#find(ConnectionRegistry),
      admission: this.#find(Admission),
      quarantine: this.#find(Quarantine),
      outboxes: this.#find(OutboxBudget),
      descriptors: this.#find(Descriptors),
      drain: this.#find(Drain),
      backplane: this.#find(BackplaneWatch),
      sessions: this.#find(Sessions),
      presence: this.#find(NodePresence),
      loop: this.loop,
    };
  }

  #find<Part>(type: new (...args: never[]) => Part): Part {
    return this.modules.get<Part>(type, { strict: false });
  }
}

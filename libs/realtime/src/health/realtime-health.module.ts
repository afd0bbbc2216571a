import {
  ConfigurableModuleBuilder,
  Inject,
  Module,
  type DynamicModule,
  type FactoryProvider,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import {
  HealthCheckService,
  TerminusModule,
  type HealthIndicatorFunction,
  type HealthIndicatorResult,
} from '@nestjs/terminus';
import { HttpEdge } from '../http/http-edge.js';
import type { Route } from '../http/route.js';
import { EventLoopDelay } from '../metrics/event-loop-delay.js';
import { BackplaneHealthIndicator } from './backplane.health.js';
import { DrainHealthIndicator } from './drain.health.js';
import { EventLoopHealthIndicator } from './event-loop.health.js';
import { FdHealthIndicator } from './fd.health.js';
import { REALTIME_HEALTH_OPTIONS, type RealtimeHealthOptions } from './health-options.js';
import { livenessRoute, probeRoute, type ProbeRoute } from './health.routes.js';
import { MemoryHealthIndicator } from './memory.health.js';
import { Readiness } from './readiness.js';
import { RevocationsHealthIndicator } from './revocations.health.js';
import { SaturationHealthIndicator } from './saturation.health.js';

type IndicatorType = new (...parts: never[]) => { check(key: string): HealthIndicatorResult };
type Probe = Readonly<Record<string, IndicatorType>>;

/** A restart cures a loop that doesn't turn, and nothing else. */
const LIVE: Probe = { eventLoop: EventLoopHealthIndicator };
const READY: Probe = {
  drain: DrainHealthIndicator,
  saturation: SaturationHealthIndicator,
  descriptors: FdHealthIndicator,
  memory: MemoryHealthIndicator,
  backplane: BackplaneHealthIndicator,
  revocations: RevocationsHealthIndicator,
};

const readiness: FactoryProvider<Readiness> = {
  provide: Readiness,
  inject: [ModuleRef],
  useFactory: (modules: ModuleRef): Readiness => ({
    isReady: () =>
      Object.entries(READY).every(([key, type]) => modules.get(type).check(key)[key]?.status !== 'down'),
  }),
};

const INDICATORS = [...Object.values(LIVE), ...Object.values(READY)];

const { ConfigurableModuleClass } = new ConfigurableModuleBuilder<RealtimeHealthOptions>({
  moduleName: 'RealtimeHealth',
  optionsInjectionToken: REALTIME_HEALTH_OPTIONS,
})
  .setClassMethodName('forRoot')
  .build();

/**
 * Mounts `GET /health/live`, `/health/ready` and `/health/startup` in front of the application's platform, and exports
 * every indicator for the application's own health controller. Needs `RealtimeModule`.
 */
@Module({
  // The drain has its own window; a wait of terminus' would add to it.
  imports: [TerminusModule.forRoot({ gracefulShutdownTimeoutMs: 0, logger: false })],
  providers: [EventLoopDelay, ...INDICATORS, readiness],
  exports: [...INDICATORS, Readiness],
})
export class RealtimeHealthModule
  extends ConfigurableModuleClass
  implements OnModuleInit, OnApplicationShutdown
{
  #mounted: (() => void)[] = [];

  constructor(
    private readonly modules: ModuleRef,
    private readonly health: HealthCheckService,
    @Inject(REALTIME_HEALTH_OPTIONS) private readonly options: RealtimeHealthOptions,
  ) {
    super();
  }

  static override forRoot(options: RealtimeHealthOptions = {}): DynamicModule {
    return super.forRoot(options);
  }

  onModuleInit(): void {
    const { prefix = '/health' } = this.options;
    if (prefix === false) return;
    const edge = this.modules.get(HttpEdge, { strict: false });
    this.#mounted = this.#routes(prefix).map((route) => edge.add(route));
  }

  onApplicationShutdown(): void {
    for (const unmount of this.#mounted) unmount();
  }

  #routes(prefix: string): readonly Route[] {
    return [
      livenessRoute(this.#probe(`${prefix}/live`, LIVE)),
      livenessRoute(this.#probe(`${prefix}/startup`, LIVE)),
      probeRoute(this.#probe(`${prefix}/ready`, READY)),
    ];
  }

  #probe(path: string, probe: Probe): ProbeRoute {
    const { authorize } = this.options;
    return {
      path,
      health: this.health,
      indicators: this.#indicators(probe),
      ...(authorize && { authorize }),
    };
  }

  #indicators(probe: Probe): HealthIndicatorFunction[] {
    return Object.entries(probe).map(([key, type]) => {
      const indicator = this.modules.get(type);
      return () => indicator.check(key);
    });
  }
}

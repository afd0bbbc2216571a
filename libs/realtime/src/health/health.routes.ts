import { HttpException } from '@nestjs/common';
import type { HealthCheckResult, HealthCheckService, HealthIndicatorFunction } from '@nestjs/terminus';
import type { Route, RouteReply } from '../http/route.js';
import type { RealtimeHealthOptions } from './health-options.js';

export interface ProbeRoute {
  readonly path: string;
  readonly health: HealthCheckService;
  readonly indicators: HealthIndicatorFunction[];
  readonly authorize?: RealtimeHealthOptions['authorize'];
}

/** A probe in terminus' JSON: 200, or 503 with what is down. */
export function probeRoute({ path, health, indicators, authorize }: ProbeRoute): Route {
  return {
    method: 'GET',
    path,
    handle: async ({ request }) => (await authorize?.(request)) ?? check(health, indicators),
  };
}

async function check(health: HealthCheckService, indicators: HealthIndicatorFunction[]): Promise<RouteReply> {
  try {
    return { body: await health.check(indicators) };
  } catch (error) {
    if (!(error instanceof HttpException)) throw error;
    return { status: error.getStatus(), body: error.getResponse() };
  }
}

/**
 * A probe that stands for the process' life. Terminus answers 503 to everything once the application shuts down; a
 * process that drains in its shutdown hooks is alive all the same.
 */
export function livenessRoute(probe: ProbeRoute): Route {
  const route = probeRoute(probe);
  return {
    ...route,
    handle: async (context) => {
      const outcome = await route.handle(context);
      const alive = outcome !== undefined && 'body' in outcome && isOnlyShuttingDown(outcome.body);
      return alive ? { body: outcome.body } : outcome;
    },
  };
}

function isOnlyShuttingDown(body: unknown): boolean {
  const { status, error } = body as Partial<HealthCheckResult>;
  return status === 'shutting_down' && Object.keys(error ?? {}).length === 0;
}

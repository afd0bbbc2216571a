import type { IncomingMessage } from 'node:http';
import type { Refusal } from '../refusal.js';
import type { Route, RouteReply } from '../http/route.js';
import type { RealtimeMetrics } from './meter.js';
import { processMetrics } from './process-metrics.js';

export interface MetricsRouteOptions {
  /** Default `/metrics`. */
  readonly path?: string | undefined;
  /** Says who may read: a Refusal is the answer. Default: anybody who reaches the port. */
  readonly authorize?:
    ((request: IncomingMessage) => Refusal | undefined | Promise<Refusal | undefined>) | undefined;
}

/** `GET /metrics` in Prometheus' text format: what the node counts, and the process' own metrics. */
export function metricsRoute(metrics: RealtimeMetrics, options: MetricsRouteOptions = {}): Route {
  return {
    method: 'GET',
    path: options.path ?? '/metrics',
    handle: async ({ request }) => (await options.authorize?.(request)) ?? render(metrics),
  };
}

async function render({ registry }: RealtimeMetrics): Promise<RouteReply> {
  const texts = await Promise.all([registry.metrics(), processMetrics().metrics()]);
  return { headers: { 'content-type': registry.contentType }, body: texts.join('\n') };
}

export { EventLoopDelay, type LoopDelay } from './event-loop-delay.js';
export {
  RealtimeMetrics,
  Tally,
  type GaugeName,
  type GaugeReading,
  type HandshakeOutcome,
  type PublicationOutcome,
} from './meter.js';
export { metricsRoute, type MetricsRouteOptions } from './metrics.route.js';
export { processMetrics } from './process-metrics.js';
export { RealtimeMetricsModule } from './realtime-metrics.module.js';

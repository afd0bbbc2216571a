export { BackplaneHealthIndicator } from './backplane.health.js';
export { BackplaneWatch, type BackplaneStatus, type BackplaneWatchOptions } from './backplane-watch.js';
export { DrainHealthIndicator } from './drain.health.js';
export { EventLoopHealthIndicator } from './event-loop.health.js';
export { FdHealthIndicator } from './fd.health.js';
export {
  REALTIME_HEALTH_OPTIONS,
  type BackplanePolicy,
  type RealtimeHealthOptions,
} from './health-options.js';
export { MemoryHealthIndicator } from './memory.health.js';
export { RealtimeHealthModule } from './realtime-health.module.js';
export { RevocationsHealthIndicator } from './revocations.health.js';
export { SaturationHealthIndicator } from './saturation.health.js';

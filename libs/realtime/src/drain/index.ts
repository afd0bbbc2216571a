export { Drain, DRAIN_PHASES, type DrainOptions, type DrainPhase, type DrainReport } from './drain.js';
export { drainOnSignals, type DrainOnSignalsOptions } from './drain-on-signals.js';
export { MemoryLimit, type MemoryLimitOptions } from './memory-limit.js';
export { InternalServer, type InternalServerOptions } from './internal-server.js';
export { drainSlots, type SlotPlan } from './slots.js';

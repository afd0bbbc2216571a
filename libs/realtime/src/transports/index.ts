export { RealtimeTransportsModule } from './realtime-transports.module.js';
export type { RealtimeTransportsAsyncOptions, RealtimeTransportsOptions } from './transports-options.js';

export { fallbacks, type FallbackOptions } from './fallbacks.js';
export type { HttpTransportOptions } from './http-wire.js';
export { longPolling } from './long-polling.js';
export { sse } from './sse.js';
export type { TransportStorage } from './transport-memory.js';

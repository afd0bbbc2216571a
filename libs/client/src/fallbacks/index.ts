export { fallbacks, type FallbackOptions } from './fallbacks.js';
export type { HttpTransportOptions } from './http-socket.js';
export { longPolling } from './long-polling.js';
export { sse } from './sse.js';
export type { TransportStorage } from './transport-memory.js';
export type { TransportKind } from './transport-kind.js';

export { MemoryBackplane } from './memory-backplane.js';
export { MemoryFailureCounter } from './memory-failure-counter.js';
export { MemoryHistory } from './memory-history.js';
export { MemoryHub } from './memory-hub.js';
export { MemoryNodeDirectory } from './memory-node-directory.js';
export { MemoryRevocationLog } from './memory-revocation-log.js';
export { MemorySessionRegistry } from './memory-session-registry.js';
export { MemoryTicketStore } from './memory-ticket-store.js';

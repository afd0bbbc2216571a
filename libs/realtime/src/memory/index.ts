export { MemoryBackplane } from './memory-backplane.js';
export { MemoryHub } from './memory-hub.js';
export { MemoryNodeDirectory } from './memory-node-directory.js';
export { MemoryRevocationLog } from './memory-revocation-log.js';

export { CONTRACT_LINGER_MS, describeBackplane } from './backplane.contract.js';
export { describeFailureCounter } from './failure-counter.contract.js';
export { describeHistory, type HistoryFixture, type HistoryNode } from './history.contract.js';
export { describeNodeDirectory } from './node-directory.contract.js';
export { describePresenceStore, type PresenceFixture } from './presence-store.contract.js';
export { describeRevocationLog } from './revocation-log.contract.js';
export { CONTRACT_CLAIM_MS, describeSessionRegistry } from './session-registry.contract.js';
export { describeTicketStore } from './ticket-store.contract.js';

export * from './backplane.contract.js';
export * from './revocation-log.contract.js';
export * from './ticket-store.contract.js';

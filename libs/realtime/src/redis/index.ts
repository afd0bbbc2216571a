export { RedisBackplane, type RedisBackplaneOptions } from './redis-backplane.js';
export { type RedisClient, type RedisSource } from './redis-client.js';
export { RedisFailureCounter } from './redis-failure-counter.js';
export { RedisHistory, type RedisHistoryOptions } from './redis-history.js';
export { RedisNodeDirectory } from './redis-node-directory.js';
export { RedisPresenceStore } from './redis-presence-store.js';
export { RedisRevocationLog, type RedisRevocationLogOptions } from './redis-revocation-log.js';
export { RedisSessionRegistry, type RedisSessionRegistryOptions } from './redis-session-registry.js';
export { RedisStoreConnection } from './redis-store-connection.js';
export { RedisTicketStore } from './redis-ticket-store.js';
export {
  RealtimeRedisModule,
  type RealtimeRedisAsyncOptions,
  type RealtimeRedisOptions,
} from './redis.module.js';

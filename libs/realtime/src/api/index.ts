export { ApiAccess } from './api-access.js';
export type { RealtimeApiAsyncOptions, RealtimeApiOptions } from './api-options.js';
export { API_SCOPES, type ApiKey, type ApiScope } from './api-keys.js';
export { ApiTarget } from './api-target.js';
export { buildOpenApi, type OpenApiOptions } from './openapi.js';
export { type Operation } from './operation.js';
export { OPERATIONS } from './operations/index.js';
export { RealtimeApiModule } from './realtime-api.module.js';

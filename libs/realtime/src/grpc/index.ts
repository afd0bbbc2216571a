export type { RealtimeGrpcAsyncOptions, RealtimeGrpcOptions } from './grpc-options.js';
export { GrpcServer, type GrpcTls } from './grpc-server.js';
export type { AuthorizePublish } from './publish-method.js';
export { RealtimeGrpcModule } from './realtime-grpc.module.js';

import type { FactoryProvider, ModuleMetadata } from '@nestjs/common';
import type { GrpcTls } from './grpc-server.js';
import type { AuthorizePublish } from './publish-method.js';

export interface RealtimeGrpcOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** Default: all addresses. */
  readonly host?: string | undefined;
  /** The path of the gateway whose guards, handlers and limits are its clients'. Default: the first of `RealtimeModule`'s `paths`. */
  readonly gateway?: string | undefined;
  /** Default: plaintext HTTP/2, for a proxy in front that ends TLS. */
  readonly tls?: GrpcTls | undefined;
  /** Serves `Publish`, for whom it does not refuse. Default: the method is not served. */
  readonly authorizePublish?: AuthorizePublish | undefined;
}

export interface RealtimeGrpcAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  readonly inject?: NonNullable<FactoryProvider['inject']>;
  readonly useFactory: FactoryProvider<RealtimeGrpcOptions>['useFactory'];
}

/** DI token of the options. */
export const REALTIME_GRPC_OPTIONS = Symbol('aerie:grpc-options');

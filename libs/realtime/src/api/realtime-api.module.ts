import { Module, type DynamicModule, type FactoryProvider } from '@nestjs/common';
import { ClientAddress } from '../handshake/client-address.js';
import { FailureCounter } from '../handshake/failure-counter.js';
import { HttpEdge } from '../http/http-edge.js';
import { ApiAccess } from './api-access.js';
import { ApiKeyRing } from './api-keys.js';
import {
  REALTIME_API_OPTIONS,
  type RealtimeApiAsyncOptions,
  type RealtimeApiOptions,
} from './api-options.js';
import { ApiRoutes } from './api-routes.js';
import { ApiTarget } from './api-target.js';

const access: FactoryProvider<ApiAccess> = {
  provide: ApiAccess,
  inject: [REALTIME_API_OPTIONS, FailureCounter, ClientAddress],
  useFactory: ({ keys }: RealtimeApiOptions, failures: FailureCounter, addresses: ClientAddress) =>
    new ApiAccess({
      keys: new ApiKeyRing(keys),
      failures,
      addressOf: (request) => addresses.groupOf(addresses.of(request)),
    }),
};

const routes: FactoryProvider<ApiRoutes> = {
  provide: ApiRoutes,
  inject: [REALTIME_API_OPTIONS, HttpEdge, ApiTarget, ApiAccess],
  useFactory: (
    { prefix = '/api' }: RealtimeApiOptions,
    edge: HttpEdge,
    target: ApiTarget,
    checked: ApiAccess,
  ) => new ApiRoutes(edge, { access: checked, target, prefix }),
};

/**
 * The server API: what a backend in any language asks over HTTP. Its paths are answered before the application's platform
 * sees them: they are in no Swagger of the application and behind none of its guards. Needs `RealtimeModule`.
 */
@Module({})
export class RealtimeApiModule {
  static forRoot(options: RealtimeApiOptions): DynamicModule {
    return this.forRootAsync({ useFactory: () => options });
  }

  static forRootAsync({ imports = [], inject = [], useFactory }: RealtimeApiAsyncOptions): DynamicModule {
    const options: FactoryProvider<RealtimeApiOptions> = {
      provide: REALTIME_API_OPTIONS,
      inject,
      useFactory,
    };
    return { module: RealtimeApiModule, imports, providers: [options, access, routes], exports: [ApiAccess] };
  }
}

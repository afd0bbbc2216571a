import type { FactoryProvider, ModuleMetadata } from '@nestjs/common';

/** Which transports beside WebSocket, and where. Each is on unless it says `false`. */
export interface RealtimeTransportsOptions {
  /** Stands before every path. Default empty: `/sse`, `/poll`, `/events`, `/send`. */
  readonly prefix?: string | undefined;
  /** The path of the gateway whose guards, handlers and limits are theirs. Default: the first of `RealtimeModule`'s `paths`. */
  readonly gateway?: string | undefined;
  /** `GET /sse`. */
  readonly sse?: boolean | undefined;
  /** `GET /poll`. */
  readonly longPolling?: boolean | undefined;
  /** `GET /events`. */
  readonly shortPolling?: boolean | undefined;
}

export interface RealtimeTransportsAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  readonly inject?: NonNullable<FactoryProvider['inject']>;
  readonly useFactory: FactoryProvider<RealtimeTransportsOptions>['useFactory'];
}

/** DI token of the options. */
export const REALTIME_TRANSPORTS_OPTIONS = Symbol('aerie:transports-options');

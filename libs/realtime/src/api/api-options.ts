import type { FactoryProvider, ModuleMetadata } from '@nestjs/common';
import type { ApiKey } from './api-keys.js';

export interface RealtimeApiOptions {
  /** Who may call; without a key nobody may. */
  readonly keys: readonly ApiKey[];
  /** Where the operations stand. Default `/api`. */
  readonly prefix?: string;
}

export interface RealtimeApiAsyncOptions {
  readonly imports?: NonNullable<ModuleMetadata['imports']>;
  readonly inject?: NonNullable<FactoryProvider['inject']>;
  readonly useFactory: FactoryProvider<RealtimeApiOptions>['useFactory'];
}

/** DI token of the `RealtimeApiOptions` that the module was configured with. */
export const REALTIME_API_OPTIONS = Symbol('aerie:api-options');

import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Provider } from '@nestjs/common';
import { ApiTarget } from '../api/api-target.js';
import { Admission } from '../connections/admission.js';
import { ConnectionRegistry } from '../connections/connection-registry.js';
import { Drain } from '../drain/drain.js';
import { BackplaneWatch } from '../health/backplane-watch.js';
import { Backplane } from '../publishing/backplane.js';
import { REALTIME_OPTIONS, type RealtimeOptions } from '../realtime.options.js';
import { RealtimeService } from '../realtime.service.js';
import { NODE_NAME } from '../sessions/node-lease.js';

/** The node as a whole: its name, its drain, its watch over the backplane, and the service in front of it. */
export const NODE: readonly Provider[] = [
  {
    provide: NODE_NAME,
    inject: [REALTIME_OPTIONS],
    useFactory: ({ node }: RealtimeOptions) =>
      node ?? `${hostname()}-${randomBytes(4).toString('hex').slice(0, 6)}`,
  },
  {
    provide: BackplaneWatch,
    inject: [Backplane],
    useFactory: (backplane: Backplane) => new BackplaneWatch(backplane),
  },
  {
    provide: Drain,
    inject: [REALTIME_OPTIONS, ConnectionRegistry, Admission],
    useFactory: ({ drain }: RealtimeOptions, registry: ConnectionRegistry, admission: Admission) =>
      new Drain({ registry, admission }, drain),
  },
  RealtimeService,
  { provide: ApiTarget, useExisting: RealtimeService },
];

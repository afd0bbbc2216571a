import type { Provider } from '@nestjs/common';
import { Admission } from '../connections/admission.js';
import { ConnectionRegistry } from '../connections/connection-registry.js';
import { Descriptors } from '../connections/descriptors.js';
import { Heartbeat } from '../connections/heartbeat.js';
import { OutboxBudget } from '../connections/outbox-budget.js';
import { Quarantine } from '../handshake/quarantine.js';
import { RealtimeMetrics } from '../metrics/meter.js';
import { heartbeatOf, limitsOf, REALTIME_OPTIONS, type RealtimeOptions } from '../realtime.options.js';

/** The ground floor: who is connected, and whether there is room for more. */
export const CONNECTIONS: readonly Provider[] = [
  RealtimeMetrics,
  { provide: Descriptors, useFactory: () => new Descriptors() },
  { provide: ConnectionRegistry, useFactory: () => new ConnectionRegistry() },
  {
    provide: Heartbeat,
    inject: [REALTIME_OPTIONS],
    useFactory: (options: RealtimeOptions) => new Heartbeat(heartbeatOf(options)),
  },
  {
    provide: OutboxBudget,
    inject: [REALTIME_OPTIONS, ConnectionRegistry],
    useFactory: (options: RealtimeOptions, registry: ConnectionRegistry) =>
      new OutboxBudget(limitsOf(options).outboxTotalBytes, () => registry.size),
  },
  {
    provide: Admission,
    inject: [REALTIME_OPTIONS, Descriptors, ConnectionRegistry, Quarantine],
    useFactory: (
      options: RealtimeOptions,
      descriptors: Descriptors,
      registry: ConnectionRegistry,
      quarantine: Quarantine,
    ) =>
      new Admission({
        maxConnections: limitsOf(options).maxConnections,
        descriptors,
        connections: () => registry.size + quarantine.size,
      }),
  },
];

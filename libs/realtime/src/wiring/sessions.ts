import type { Provider } from '@nestjs/common';
import { ChannelRules } from '../channels/channel-rules.js';
import { Admission } from '../connections/admission.js';
import { ConnectionRegistry } from '../connections/connection-registry.js';
import { RealtimeMetrics } from '../metrics/meter.js';
import { limitsOf, REALTIME_OPTIONS, type RealtimeOptions } from '../realtime.options.js';
import { PresenceStore } from '../presence/presence-store.js';
import { NodeDirectory } from '../sessions/node-directory.js';
import { NODE_NAME } from '../sessions/node-lease.js';
import { SessionRegistry, type UserLimit } from '../sessions/session-registry.js';
import { sessionTimes } from '../sessions/session-times.js';
import { Sessions } from '../sessions/sessions.js';

const DRAIN_WINDOW_MS = 30_000;

/** Who is connected, on all nodes together. */
export const SESSIONS: readonly Provider[] = [
  {
    provide: Sessions,
    inject: [
      REALTIME_OPTIONS,
      NODE_NAME,
      NodeDirectory,
      SessionRegistry,
      PresenceStore,
      ChannelRules,
      ConnectionRegistry,
      Admission,
      RealtimeMetrics,
    ],
    useFactory: (
      options: RealtimeOptions,
      node: string,
      directory: NodeDirectory,
      sessions: SessionRegistry,
      presence: PresenceStore,
      rules: ChannelRules,
      connections: ConnectionRegistry,
      admission: Admission,
      metrics: RealtimeMetrics,
    ) =>
      new Sessions({
        node,
        directory,
        sessions,
        presence,
        keepsPresence: (channel) => rules.hasPresence(channel),
        connections,
        admission,
        metrics,
        times: sessionTimes(options.sessions ?? {}, options.drain?.windowMs ?? DRAIN_WINDOW_MS),
        limit: userLimitOf(options),
      }),
  },
];

function userLimitOf(options: RealtimeOptions): UserLimit | undefined {
  const { maxConnectionsPerUser: max, userOverflow: overflow } = limitsOf(options);
  return max === undefined ? undefined : { max, overflow };
}

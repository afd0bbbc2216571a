import type { Provider } from '@nestjs/common';
import { ConnectionRegistry } from '../connections/connection-registry.js';
import { ChannelAccess } from '../channels/channel-access.js';
import { ChannelMessages } from '../channels/channel-messages.js';
import { HistoryMessages } from '../channels/history-messages.js';
import { ChannelRules } from '../channels/channel-rules.js';
import { ChannelHistories } from '../history/channel-histories.js';
import { HeldBack } from '../history/held-back.js';
import { NodeCursors } from '../history/node-cursors.js';
import { Recovery } from '../history/recovery.js';
import { ResyncNotices } from '../history/resync-notices.js';
import { History } from '../history/history.js';
import { SystemHandlers } from '../messages/message-handlers.js';
import { RealtimeMetrics } from '../metrics/meter.js';
import { Backplane } from '../publishing/backplane.js';
import { BROADCAST_CHANNEL } from '../publishing/internal-channels.js';
import { type FanoutTarget, LocalFanout } from '../publishing/local-fanout.js';
import { NodeChannels } from '../publishing/node-channels.js';
import { Publisher } from '../publishing/publisher.js';
import { REALTIME_OPTIONS, type RealtimeOptions } from '../realtime.options.js';
import { Control } from '../sessions/control.js';
import { Sessions } from '../sessions/sessions.js';
import { RevocationLog } from '../sessions/revocations.js';
import { SessionExpiry } from '../sessions/session-expiry.js';

/** The second road and what listens to it: publications, channels, commands to every node. */
export const PUBLISHING: readonly Provider[] = [
  {
    provide: ChannelRules,
    inject: [REALTIME_OPTIONS],
    useFactory: ({ userChannel }: RealtimeOptions) => new ChannelRules(userChannel?.history),
  },
  {
    provide: ChannelHistories,
    inject: [History, ChannelRules],
    useFactory: (history: History, rules: ChannelRules) =>
      new ChannelHistories({ history, limitsOf: (channel) => rules.historyOf(channel) }),
  },
  {
    provide: ChannelAccess,
    inject: [ChannelRules],
    useFactory: (rules: ChannelRules) => new ChannelAccess(rules),
  },
  { provide: SystemHandlers, useFactory: () => new SystemHandlers() },
  {
    provide: Publisher,
    inject: [Backplane, RealtimeMetrics, ChannelHistories],
    useFactory: (backplane: Backplane, metrics: RealtimeMetrics, histories: ChannelHistories) =>
      new Publisher(backplane, metrics, histories),
  },
  {
    provide: LocalFanout,
    inject: [ConnectionRegistry, ChannelRules, HeldBack],
    useFactory: (registry: ConnectionRegistry, rules: ChannelRules, heldBack: HeldBack) =>
      new LocalFanout({ target: (channel) => targetOf(channel, { registry, rules, heldBack }) }),
  },
  { provide: HeldBack, useFactory: () => new HeldBack() },
  {
    provide: ResyncNotices,
    inject: [ConnectionRegistry, LocalFanout, HeldBack, RealtimeMetrics],
    useFactory: (
      registry: ConnectionRegistry,
      fanout: LocalFanout,
      heldBack: HeldBack,
      metrics: RealtimeMetrics,
    ) => new ResyncNotices({ registry, fanout, heldBack, metrics }),
  },
  {
    provide: NodeCursors,
    inject: [ChannelHistories, LocalFanout, ResyncNotices, RealtimeMetrics, Sessions],
    useFactory: (
      histories: ChannelHistories,
      fanout: LocalFanout,
      notices: ResyncNotices,
      metrics: RealtimeMetrics,
      { gate }: Sessions,
    ) => new NodeCursors({ histories, fanout, notices, metrics, gate }),
  },
  {
    provide: Recovery,
    inject: [NodeCursors, RealtimeMetrics],
    useFactory: (cursors: NodeCursors, metrics: RealtimeMetrics) => new Recovery({ cursors, metrics }),
  },
  {
    provide: NodeChannels,
    inject: [ConnectionRegistry, Backplane, LocalFanout, NodeCursors],
    useFactory: (
      registry: ConnectionRegistry,
      backplane: Backplane,
      fanout: LocalFanout,
      cursors: NodeCursors,
    ) => new NodeChannels({ registry, backplane, fanout, cursors }),
  },
  {
    provide: ChannelMessages,
    inject: [ChannelAccess, NodeChannels, Publisher, Recovery],
    useFactory: (access: ChannelAccess, channels: NodeChannels, publisher: Publisher, recovery: Recovery) =>
      new ChannelMessages({ access, channels, publisher, recovery }),
  },
  {
    provide: HistoryMessages,
    inject: [ChannelAccess, ChannelHistories],
    useFactory: (access: ChannelAccess, histories: ChannelHistories) =>
      new HistoryMessages({ access, histories }),
  },
  {
    provide: Control,
    inject: [ConnectionRegistry, Publisher, NodeChannels, RevocationLog],
    useFactory: (
      registry: ConnectionRegistry,
      publisher: Publisher,
      channels: NodeChannels,
      revocations: RevocationLog,
    ) => new Control({ registry, publisher, channels, revocations }),
  },
  {
    provide: SessionExpiry,
    inject: [ConnectionRegistry],
    useFactory: (registry: ConnectionRegistry) => new SessionExpiry(registry),
  },
];

interface Targets {
  readonly registry: ConnectionRegistry;
  readonly rules: ChannelRules;
  readonly heldBack: HeldBack;
}

function targetOf(channel: string, { registry, rules, heldBack }: Targets): FanoutTarget | undefined {
  if (channel === BROADCAST_CHANNEL)
    return { members: () => [...registry.all()], count: registry.size, slow: 'disconnect' };
  const members = registry.inChannel(channel);
  if (members.size === 0) return undefined;
  return {
    members: () => heldBack.without(channel, members),
    count: members.size,
    slow: rules.match(channel)?.rule.slow ?? 'disconnect',
  };
}

import type { Provider } from '@nestjs/common';
import { ConnectionRegistry } from '../connections/connection-registry.js';
import { ChannelAccess } from '../channels/channel-access.js';
import { ChannelMessages } from '../channels/channel-messages.js';
import { PresenceMessages } from '../channels/presence-messages.js';
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
import { ChannelPresence } from '../presence/channel-presence.js';
import { NodePresence } from '../presence/node-presence.js';
import { PresenceStore } from '../presence/presence-store.js';
import { Backplane } from '../publishing/backplane.js';
import { BROADCAST_CHANNEL, channelOfPresence, isInternal } from '../publishing/internal-channels.js';
import { type FanoutTarget, LocalFanout } from '../publishing/local-fanout.js';
import { NodeCalls } from '../publishing/node-calls.js';
import { type ChannelFollower, NodeChannels } from '../publishing/node-channels.js';
import { Publisher } from '../publishing/publisher.js';
import { REALTIME_OPTIONS, type RealtimeOptions } from '../realtime.options.js';
import { Control } from '../sessions/control.js';
import { NODE_NAME } from '../sessions/node-lease.js';
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
  {
    provide: NodeCalls,
    inject: [NODE_NAME, Publisher],
    useFactory: (node: string, publisher: Publisher) => new NodeCalls({ node, publisher }),
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
    inject: [ConnectionRegistry, Backplane, LocalFanout, NodeCursors, NodePresence],
    useFactory: (
      registry: ConnectionRegistry,
      backplane: Backplane,
      fanout: LocalFanout,
      cursors: NodeCursors,
      presence: NodePresence,
    ) => new NodeChannels({ registry, backplane, fanout, cursors: followers(cursors, presence) }),
  },
  {
    provide: NodePresence,
    inject: [PresenceStore, LocalFanout, RealtimeMetrics, Sessions],
    useFactory: (
      store: PresenceStore,
      fanout: LocalFanout,
      metrics: RealtimeMetrics,
      { gate, times }: Sessions,
    ) => new NodePresence({ store, fanout, metrics, gate, times }),
  },
  {
    provide: ChannelPresence,
    inject: [PresenceStore, ChannelRules],
    useFactory: (store: PresenceStore, rules: ChannelRules) =>
      new ChannelPresence({ store, keeps: (channel) => rules.hasPresence(channel) }),
  },
  {
    provide: PresenceMessages,
    inject: [ChannelAccess, ConnectionRegistry, NodeChannels, ChannelPresence, NodePresence],
    useFactory: (
      access: ChannelAccess,
      registry: ConnectionRegistry,
      channels: NodeChannels,
      presence: ChannelPresence,
      known: NodePresence,
    ) => new PresenceMessages({ access, registry, channels, presence, known }),
  },
  {
    provide: ChannelMessages,
    inject: [ChannelAccess, NodeChannels, Publisher, Recovery, PresenceMessages],
    useFactory: (
      access: ChannelAccess,
      channels: NodeChannels,
      publisher: Publisher,
      recovery: Recovery,
      presence: PresenceMessages,
    ) => new ChannelMessages({ access, channels, publisher, recovery, presence }),
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
    slow: (isInternal(channel) ? undefined : rules.match(channel)?.rule.slow) ?? 'disconnect',
  };
}

// A channel's frames bring its history, those of its presence channel its members.
function followers(cursors: NodeCursors, presence: NodePresence): ChannelFollower {
  return {
    follow(channel, subscribed) {
      const about = channelOfPresence(channel);
      return about === undefined ? cursors.follow(channel, subscribed) : presence.follow(about, subscribed);
    },
    release(channel) {
      const about = channelOfPresence(channel);
      if (about === undefined) cursors.release(channel);
      else presence.release(about);
    },
  };
}

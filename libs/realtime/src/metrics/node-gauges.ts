import type { Admission } from '../connections/admission.js';
import type { ConnectionRegistry } from '../connections/connection-registry.js';
import type { Descriptors } from '../connections/descriptors.js';
import type { OutboxBudget } from '../connections/outbox-budget.js';
import { DRAIN_PHASES, type Drain } from '../drain/drain.js';
import type { Quarantine } from '../handshake/quarantine.js';
import type { BackplaneWatch } from '../health/backplane-watch.js';
import type { NodePresence } from '../presence/node-presence.js';
import type { Sessions } from '../sessions/sessions.js';
import type { EventLoopDelay } from './event-loop-delay.js';
import type { RealtimeMetrics } from './meter.js';

type Transported = Iterable<{ readonly transport: string }>;

/** What of a node the gauges are read from. */
export interface ObservedNode {
  readonly registry: Pick<ConnectionRegistry, 'users' | 'channels' | 'subscriptions'> & {
    all(): Transported;
  };
  readonly admission: Pick<Admission, 'saturation'>;
  readonly quarantine: Pick<Quarantine, 'size'>;
  readonly outboxes: Pick<OutboxBudget, 'bytes'>;
  readonly descriptors: Pick<Descriptors, 'limit' | 'used'>;
  readonly drain: Pick<Drain, 'phase'>;
  readonly backplane: Pick<BackplaneWatch, 'status'>;
  readonly sessions: Pick<Sessions, 'unwritten' | 'unwrittenPresence'>;
  readonly presence: Pick<NodePresence, 'size'>;
  readonly loop: Pick<EventLoopDelay, 'last'>;
}

/** Shows a node's present in its metrics. Everything is read at the scrape, nothing while the node works. */
export function observeNode(metrics: RealtimeMetrics, node: ObservedNode): void {
  observeConnections(metrics, node);
  observeLimits(metrics, node);
  observeSurroundings(metrics, node);
}

function observeConnections(
  metrics: RealtimeMetrics,
  { registry, quarantine, outboxes, sessions, presence }: ObservedNode,
): void {
  metrics.observe('aerie_connections', () => byTransport(registry.all()));
  metrics.observe('aerie_quarantined', () => quarantine.size);
  metrics.observe('aerie_users', () => registry.users);
  metrics.observe('aerie_channels', () => registry.channels);
  metrics.observe('aerie_subscriptions', () => registry.subscriptions);
  metrics.observe('aerie_outbox_bytes', () => outboxes.bytes);
  metrics.observe('aerie_sessions_unwritten', () => sessions.unwritten);
  metrics.observe('aerie_presence_unwritten', () => sessions.unwrittenPresence);
  metrics.observe('aerie_presence_channels', () => presence.size);
}

function observeLimits(metrics: RealtimeMetrics, { admission, descriptors }: ObservedNode): void {
  metrics.observe('aerie_saturation', () => admission.saturation);
  metrics.observe('aerie_fd_used', () => (descriptors.limit === undefined ? undefined : descriptors.used));
  metrics.observe('aerie_fd_limit', () => descriptors.limit);
}

function observeSurroundings(metrics: RealtimeMetrics, { drain, backplane, loop }: ObservedNode): void {
  metrics.observe('aerie_drain_state', () => DRAIN_PHASES.indexOf(drain.phase));
  metrics.observe('aerie_backplane_up', () => Number(backplane.status.up));
  metrics.observe('aerie_backplane_round_trip_seconds', () => seconds(backplane.status.roundTripMs));
  metrics.observe('aerie_event_loop_delay_seconds', () => seconds(loop.last.p99Ms));
}

function byTransport(connections: Transported): ReadonlyMap<string, number> {
  const counts = new Map<string, number>([['websocket', 0]]);
  for (const { transport } of connections) counts.set(transport, (counts.get(transport) ?? 0) + 1);
  return counts;
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1_000;
}

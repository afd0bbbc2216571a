import type { RunningGateway } from './gateway.js';

const GAUGES = [
  'aerie_connections{transport="websocket"}',
  'aerie_quarantined',
  'aerie_users',
  'aerie_channels',
  'aerie_subscriptions',
  'aerie_outbox_bytes',
  'aerie_sessions_unwritten',
  'aerie_presence_unwritten',
  'aerie_presence_channels',
] as const;

/** Everything that a node holds for its clients, by gauge: all zeros once they are gone. */
export async function gaugesOf(gateway: RunningGateway): Promise<Readonly<Record<string, number>>> {
  const values = await Promise.all(GAUGES.map((name) => gateway.metric(name)));
  return Object.fromEntries(GAUGES.map((name, index) => [name, values[index] ?? Number.NaN]));
}

export const ALL_ZERO: Readonly<Record<string, number>> = Object.fromEntries(GAUGES.map((name) => [name, 0]));

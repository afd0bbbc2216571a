interface Metered {
  metric(name: string): Promise<number>;
}

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
export async function gaugesOf(node: Metered): Promise<Readonly<Record<string, number>>> {
  const values = await Promise.all(GAUGES.map((name) => node.metric(name)));
  return Object.fromEntries(GAUGES.map((name, index) => [name, values[index] ?? Number.NaN]));
}

export const ALL_ZERO: Readonly<Record<string, number>> = Object.fromEntries(GAUGES.map((name) => [name, 0]));

import type { ConnectionOptions } from '../../libs/realtime/src/connections/connection.js';
import { Connection } from '../../libs/realtime/src/connections/connection.js';
import { OutboxBudget } from '../../libs/realtime/src/connections/outbox-budget.js';
import { FakeWire } from './fake-wire.js';

let names = 0;

/** A connection over a fake wire. Registered nowhere. */
export function connect(
  user: string,
  options: Partial<ConnectionOptions> & { wire?: FakeWire } = {},
): { connection: Connection; wire: FakeWire } {
  const wire = options.wire ?? new FakeWire();
  const connection = new Connection({
    id: `c${(names += 1)}`,
    session: { user, claims: {} },
    address: '192.0.2.1',
    outbox: { limitBytes: 1024 * 1024, budget: new OutboxBudget(Infinity, () => 1) },
    ...options,
    wire,
  });
  return { connection, wire };
}

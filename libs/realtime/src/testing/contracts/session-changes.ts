import { randomUUID } from 'node:crypto';
import type { Lease } from '../../sessions/node-directory.js';
import type { SessionEvent } from '../../sessions/session-event.js';
import type { ConnectionRecord, Entering, Leaving, Written } from '../../sessions/session-registry.js';

/** What of an entering connection a test cares about. */
export interface EnterOptions extends Partial<Pick<Entering, 'told' | 'again' | 'limit'>> {
  readonly id?: string;
  readonly record?: ConnectionRecord;
}

export function entering(
  lease: Lease,
  user: string,
  { id, record, told, again, limit }: EnterOptions,
): Entering {
  return {
    type: 'enter',
    user,
    record: record ?? recordOf(lease, { id: id ?? randomUUID() }),
    told: told ?? true,
    again: again ?? false,
    limit,
  };
}

export function leaving(user: string, options: Partial<Leaving>): Leaving {
  return { type: 'leave', user, connection: 'a', graceMs: 0, code: 1000, reason: 'normal', ...options };
}

export function recordOf({ node }: Lease, fields: Partial<ConnectionRecord>): ConnectionRecord {
  const record = { id: 'a', node, transport: 'websocket', address: '192.0.2.1' } as const;
  return { ...record, openedAt: 1, expiresAt: null, ...fields };
}

export async function first(written: Promise<readonly Written[]>): Promise<Written> {
  const [answer] = await written;
  if (answer === undefined) throw new Error('no answer to a change');
  return answer;
}

export async function eventsOf(written: Promise<Written>): Promise<readonly SessionEvent[]> {
  const answer = await written;
  return answer.ok ? answer.events : [];
}

export function typesOf(written: Written): readonly string[] {
  return written.ok ? written.events.map(({ type }) => type) : [];
}

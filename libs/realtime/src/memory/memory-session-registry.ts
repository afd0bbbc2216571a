import type { Lease } from '../sessions/node-directory.js';
import { NODE_LOST, type SessionEvent } from '../sessions/session-event.js';
import {
  type ClaimOptions,
  type ConnectionRecord,
  type Entering,
  type Leaving,
  type SessionChange,
  SessionRegistry,
  type SweepStep,
  type UserSessions,
  type Written,
} from '../sessions/session-registry.js';
import { UnsaidEvents } from './unsaid-events.js';

interface Entry {
  readonly fence: string;
  readonly told: boolean;
  readonly record: ConnectionRecord;
}

interface User {
  /** The connection that the user came online with. */
  readonly first: string;
  readonly told: boolean;
  readonly entries: Map<string, Entry>;
  graceEndsAt: number;
}

const DEFAULT_CLAIM_MS = 30_000;

/** The sessions of one process, and of several nodes where a test lets them share it. */
export class MemorySessionRegistry extends SessionRegistry {
  readonly #users = new Map<string, User>();
  /** Users without a connection, whose grace runs. */
  readonly #inGrace = new Set<string>();
  readonly #held = new Map<string, number[]>();
  readonly #unsaid: UnsaidEvents;

  constructor({ claimMs = DEFAULT_CLAIM_MS }: { readonly claimMs?: number } = {}) {
    super();
    this.#unsaid = new UnsaidEvents(claimMs);
  }

  async write(lease: Lease, changes: readonly SessionChange[]): Promise<readonly Written[]> {
    return changes.map((change): Written => {
      if (isOver(lease)) return { ok: false };
      if (change.type === 'enter') return this.#enter(lease, change);
      return { ok: true, events: this.#leave(change), surplus: [] };
    });
  }

  async sweep(lease: Lease, fence: string): Promise<SweepStep> {
    if (isOver(lease)) return { state: 'refused', removed: 0, events: [] };
    const lost = [...this.#users].flatMap(([user, { entries }]) =>
      [...entries.values()]
        .filter((entry) => entry.fence === fence)
        .map(({ record }) => ({ user, connection: record.id })),
    );
    const events = lost.flatMap((one) => this.#leave({ ...one, graceMs: 0, ...NODE_LOST }));
    return { state: 'swept', removed: lost.length, events };
  }

  async claimDue(lease: Lease, { listening }: ClaimOptions): Promise<readonly SessionEvent[]> {
    if (isOver(lease)) return [];
    const claimed = this.#unsaid.claim(listening);
    return [...claimed, ...[...this.#inGrace].flatMap((user) => this.#takeOffline(user))];
  }

  async acknowledge(events: readonly SessionEvent[]): Promise<void> {
    for (const { id } of events) this.#unsaid.forget(id);
  }

  async ofUser(user: string): Promise<UserSessions> {
    const known = this.#users.get(user);
    const connections = [...(known?.entries.values() ?? [])].map(({ record }) => record);
    return { online: known !== undefined, connections };
  }

  async hold(user: string, max: number, holdMs: number): Promise<boolean> {
    const now = Date.now();
    const held = (this.#held.get(user) ?? []).filter((endsAt) => endsAt > now);
    const isFree = (this.#users.get(user)?.entries.size ?? 0) + held.length < max;
    if (isFree && holdMs > 0) held.push(now + holdMs);
    this.#keepHeld(user, held);
    return isFree;
  }

  #enter(lease: Lease, { user, record, told, again, limit }: Entering): Written {
    const known = this.#users.get(user);
    const entries = known?.entries ?? new Map<string, Entry>();
    const isNew = !entries.has(record.id);
    entries.set(record.id, { fence: lease.fence, told, record });
    this.#users.set(user, { first: record.id, told, ...known, entries, graceEndsAt: 0 });
    if (isNew && limit?.overflow === 'refuse') this.#keepHeld(user, (this.#held.get(user) ?? []).slice(1));
    const surplus = limit?.overflow === 'replace' ? surplusOf(entries, record.id, limit.max) : [];
    if (!told || again) return { ok: true, events: [], surplus };
    const { id: connection } = record;
    const about = { user, at: Date.now() };
    const events: SessionEvent[] = [];
    if (isNew)
      events.push({ id: `${connection}.connected`, type: 'connected', ...about, ...whereOf(record) });
    if (known === undefined) events.push({ id: `${connection}.online`, type: 'online', ...about });
    return { ok: true, events: this.#unsaid.keep(events), surplus };
  }

  #leave({ user, connection, graceMs, code, reason }: Omit<Leaving, 'type'>): readonly SessionEvent[] {
    const known = this.#users.get(user);
    const entry = known?.entries.get(connection);
    if (known === undefined || entry === undefined) return [];
    known.entries.delete(connection);
    if (graceMs > 0) known.graceEndsAt = Math.max(known.graceEndsAt, Date.now() + graceMs);
    const events: SessionEvent[] = [];
    if (entry.told)
      events.push({
        id: `${connection}.disconnected`,
        type: 'disconnected',
        user,
        at: Date.now(),
        ...whereOf(entry.record),
        code,
        reason,
      });
    return [...this.#unsaid.keep(events), ...this.#takeOffline(user)];
  }

  #takeOffline(user: string): readonly SessionEvent[] {
    const known = this.#users.get(user);
    this.#inGrace.delete(user);
    if (known === undefined || known.entries.size > 0) return [];
    if (known.graceEndsAt > Date.now()) {
      this.#inGrace.add(user);
      return [];
    }
    this.#users.delete(user);
    if (!known.told) return [];
    return this.#unsaid.keep([{ id: `${known.first}.offline`, type: 'offline', user, at: Date.now() }]);
  }

  #keepHeld(user: string, held: number[]): void {
    if (held.length === 0) this.#held.delete(user);
    else this.#held.set(user, held);
  }
}

function whereOf({ id: connection, node, tenant }: ConnectionRecord) {
  return { connection, node, ...(tenant !== undefined && { tenant }) };
}

function isOver({ leaseUntil }: Lease): boolean {
  return Date.now() >= leaseUntil;
}

function surplusOf(entries: ReadonlyMap<string, Entry>, latest: string, max: number): readonly string[] {
  const others = [...entries.values()].map(({ record }) => record).filter(({ id }) => id !== latest);
  const oldestFirst = others.toSorted((a, b) => a.openedAt - b.openedAt).map(({ id }) => id);
  return oldestFirst.slice(0, Math.max(0, entries.size - max));
}

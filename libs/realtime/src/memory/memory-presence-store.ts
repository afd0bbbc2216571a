import { SYSTEM } from '@aerie/protocol';
import {
  type PresenceChange,
  type PresencePage,
  type PresenceRange,
  PresenceStore,
  type PresenceSweep,
} from '../presence/presence-store.js';
import { presenceChannel } from '../publishing/internal-channels.js';
import { randomId } from '../random-id.js';
import type { Lease } from '../sessions/node-directory.js';
import type { MemoryHub } from './memory-hub.js';

interface Entry {
  readonly fence: string;
  readonly user: string;
}

interface Members {
  version: number;
  /** By connection. */
  readonly entries: Map<string, Entry>;
  /** Connections by user; 0 while a grace runs. */
  readonly counts: Map<string, number>;
  /** Ends of graces by user. */
  readonly due: Map<string, number>;
}

const KEY_BYTES = 12;

/** The presence of one process, and of several nodes where a test lets them share it together with the hub. */
export class MemoryPresenceStore extends PresenceStore {
  readonly #hub: MemoryHub;
  readonly #channels = new Map<string, Members>();
  /** No channel begins at a version that one had before. */
  #newest = 0;

  constructor(hub: MemoryHub) {
    super();
    this.#hub = hub;
  }

  async write(lease: Lease, changes: readonly PresenceChange[]): Promise<readonly boolean[]> {
    return changes.map((change) => {
      if (isOver(lease)) return false;
      const { channel, connection } = change;
      if (change.type === 'enter')
        this.#enter(channel, connection, { fence: lease.fence, user: change.user });
      else this.#remove(channel, connection, change.graceMs);
      return true;
    });
  }

  async sweep(lease: Lease, fence: string): Promise<PresenceSweep> {
    if (isOver(lease)) return { state: 'refused', removed: 0 };
    let removed = 0;
    for (const [channel, { entries }] of this.#channels)
      for (const [connection, entry] of entries) {
        if (entry.fence !== fence) continue;
        this.#remove(channel, connection, 0);
        removed += 1;
      }
    return { state: 'swept', removed };
  }

  async endGraces(lease: Lease): Promise<void> {
    const now = Date.now();
    if (isOver(lease)) return;
    for (const [channel, members] of this.#channels)
      for (const [user, endsAt] of members.due) {
        if (endsAt > now) continue;
        members.due.delete(user);
        if (members.counts.get(user) === 0) this.#takeOut(channel, members, user);
      }
  }

  async page(channel: string, { after = '', limit }: PresenceRange): Promise<PresencePage> {
    const members = this.#channels.get(channel);
    if (members === undefined) return { version: 0, members: [], more: false };
    const behind = [...members.counts.keys()].filter((user) => user > after).toSorted();
    const page = behind.slice(0, limit).map((user) => ({ user, connections: members.counts.get(user) ?? 0 }));
    return { version: members.version, members: page, more: behind.length > limit };
  }

  #enter(channel: string, connection: string, entry: Entry): void {
    const members = this.#channels.get(channel) ?? this.#begin();
    this.#channels.set(channel, members);
    const { user } = entry;
    const isNew = !members.entries.has(connection);
    members.entries.set(connection, entry);
    members.due.delete(user);
    if (!isNew) return;
    const count = members.counts.get(user);
    members.counts.set(user, (count ?? 0) + 1);
    if (count === undefined) this.#announce(SYSTEM.join, { channel, members, user });
  }

  #remove(channel: string, connection: string, graceMs: number): void {
    const members = this.#channels.get(channel);
    const entry = members?.entries.get(connection);
    if (members === undefined || entry === undefined) return;
    const { user } = entry;
    const count = (members.counts.get(user) ?? 1) - 1;
    members.entries.delete(connection);
    members.counts.set(user, count);
    if (graceMs > 0) members.due.set(user, Math.max(members.due.get(user) ?? 0, Date.now() + graceMs));
    if (count === 0) this.#takeOut(channel, members, user);
  }

  #takeOut(channel: string, members: Members, user: string): void {
    if ((members.due.get(user) ?? 0) > Date.now()) return;
    members.due.delete(user);
    members.counts.delete(user);
    this.#announce(SYSTEM.leave, { channel, members, user });
    if (members.counts.size === 0) this.#channels.delete(channel);
  }

  #begin(): Members {
    const version = Math.max(this.#newest, Date.now() * 1_000);
    return { version, entries: new Map(), counts: new Map(), due: new Map() };
  }

  #announce(
    event: string,
    { channel, members, user }: { channel: string; members: Members; user: string },
  ): void {
    members.version += 1;
    this.#newest = Math.max(this.#newest, members.version);
    const data = { channel, user, version: members.version, at: Date.now() };
    void this.#hub.announce({
      channel: presenceChannel(channel),
      frame: Buffer.from(JSON.stringify({ event, data })),
      idempotencyKey: randomId(KEY_BYTES),
    });
  }
}

function isOver({ leaseUntil }: Lease): boolean {
  return Date.now() >= leaseUntil;
}

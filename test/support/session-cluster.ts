import { Admission } from '../../libs/realtime/src/connections/admission.js';
import type { Connection } from '../../libs/realtime/src/connections/connection.js';
import { ConnectionRegistry } from '../../libs/realtime/src/connections/connection-registry.js';
import { Descriptors } from '../../libs/realtime/src/connections/descriptors.js';
import { Tally } from '../../libs/realtime/src/metrics/meter.js';
import { MemoryHub } from '../../libs/realtime/src/memory/memory-hub.js';
import { MemoryNodeDirectory } from '../../libs/realtime/src/memory/memory-node-directory.js';
import { MemoryPresenceStore } from '../../libs/realtime/src/memory/memory-presence-store.js';
import { MemorySessionRegistry } from '../../libs/realtime/src/memory/memory-session-registry.js';
import type { PresenceStore } from '../../libs/realtime/src/presence/presence-store.js';
import { BackplaneUnavailable } from '../../libs/realtime/src/publishing/backplane.js';
import type { Lease, LeaseClaim, LeaseView } from '../../libs/realtime/src/sessions/node-directory.js';
import type { SessionEvent } from '../../libs/realtime/src/sessions/session-event.js';
import type { SessionChange, UserLimit, Written } from '../../libs/realtime/src/sessions/session-registry.js';
import { sessionTimes } from '../../libs/realtime/src/sessions/session-times.js';
import { Sessions } from '../../libs/realtime/src/sessions/sessions.js';
import { connect } from './connections.js';

const AWAY = new BackplaneUnavailable('away');

/** The leases of several nodes, which can be away for all or for some, or lose their data. */
export class FaultyDirectory extends MemoryNodeDirectory {
  readonly awayFor = new Set<string>();
  origin = 'first';
  /** Nodes whose lease is lost by their next renewal. */
  readonly lostFor = new Set<string>();

  override async renew(claim: LeaseClaim): Promise<LeaseView> {
    if (this.awayFor.has(claim.info.node)) throw AWAY;
    if (this.lostFor.delete(claim.info.node)) await this.withdraw(claim.fence);
    return { ...(await super.renew(claim)), origin: this.origin };
  }
}

/** The sessions of several nodes, whose answers can get lost. */
export class FaultyRegistry extends MemorySessionRegistry {
  /** `before`: nothing is written. `after`: it is, and nobody hears of it. */
  away: 'before' | 'after' | undefined;
  readonly writes: (readonly SessionChange[])[] = [];
  #lastLease: Lease | undefined;

  /** What the last writer wrote before, and a store that lost its latest data has again. */
  async bringBack(change: SessionChange): Promise<void> {
    if (this.#lastLease === undefined) throw new Error('nobody wrote yet');
    await super.write(this.#lastLease, [change]);
  }

  /** The store has it no more, and nobody is told. */
  async lose(user: string, connection: string): Promise<void> {
    const lease = { node: '', fence: '', leaseUntil: Infinity };
    const change = { type: 'leave', user, connection, graceMs: 0, code: 1006, reason: '' } as const;
    const [written] = await super.write(lease, [change]);
    if (written?.ok) await this.acknowledge(written.events);
  }

  override async write(lease: Lease, changes: readonly SessionChange[]): Promise<readonly Written[]> {
    if (this.away === 'before') throw AWAY;
    this.writes.push(changes);
    this.#lastLease = lease;
    const written = await super.write(lease, changes);
    if (this.away === 'after') throw AWAY;
    return written;
  }

  override async hold(user: string, max: number, holdMs: number): Promise<boolean> {
    if (this.away !== undefined) throw AWAY;
    return super.hold(user, max, holdMs);
  }
}

export interface SharedStores {
  readonly directory: FaultyDirectory;
  readonly registry: FaultyRegistry;
  readonly presence?: PresenceStore;
}

/** A node without a network, on stores that it shares with others. */
export class SessionsNode {
  readonly connections = new ConnectionRegistry();
  readonly events: SessionEvent[] = [];
  readonly replaced: string[] = [];
  readonly metrics = { sweeps: new Tally(), stalls: new Tally() };
  readonly sessions: Sessions;
  resumed = 0;

  constructor(
    readonly name: string,
    stores: SharedStores,
    limit?: UserLimit,
  ) {
    this.sessions = new Sessions({
      node: name,
      directory: stores.directory,
      sessions: stores.registry,
      presence: stores.presence ?? new MemoryPresenceStore(new MemoryHub()),
      keepsPresence: (channel) => channel.startsWith('room:'),
      connections: this.connections,
      admission: new Admission({
        maxConnections: 10,
        descriptors: new Descriptors(),
        connections: () => this.connections.size,
      }),
      times: sessionTimes({}, 30_000),
      metrics: this.metrics,
      limit,
    });
    this.sessions.events.on((event) => void this.events.push(event));
  }

  async start(): Promise<this> {
    await this.sessions.start({
      resumed: () => void (this.resumed += 1),
      begunAnew: () => undefined,
      replaced: (_user, connections) => void this.replaced.push(...connections),
    });
    return this;
  }

  /** A connection that is registered and ends as soon as the server says goodbye. */
  connect(user: string): Connection {
    const { connection, wire } = connect(user);
    wire.onGoodbye = () => this.end(connection);
    this.connections.add(connection);
    return connection;
  }

  end(connection: Connection, code = 1006): void {
    connection.ended();
    this.connections.remove(connection, connection.closedWith ?? { code, reason: '' });
  }
}

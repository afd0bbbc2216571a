import { CLOSE } from '@aerie/protocol';
import type { RealtimeMetrics } from '../metrics/meter.js';
import type { Admission } from '../connections/admission.js';
import type { Connection } from '../connections/connection.js';
import type { ConnectionRegistry } from '../connections/connection-registry.js';
import { within } from '../deadline.js';
import { PresenceRecorder } from '../presence/presence-recorder.js';
import type { PresenceStore } from '../presence/presence-store.js';
import { isInternal } from '../publishing/internal-channels.js';
import type { NodeDirectory, NodeInfo } from './node-directory.js';
import { NodeLease } from './node-lease.js';
import { SessionEvents } from './session-events.js';
import { SessionRecorder } from './session-recorder.js';
import type { ConnectionRecord, SessionRegistry, UserLimit } from './session-registry.js';
import { SessionRounds } from './session-rounds.js';
import type { SessionTimes } from './session-times.js';
import { StallGate } from './stall-gate.js';
import { Sweeper } from './sweeper.js';
import { UserPlaces } from './user-places.js';
import type { WriteBehind } from './write-behind.js';

export interface SessionsOptions {
  readonly node: string;
  readonly directory: NodeDirectory;
  readonly sessions: SessionRegistry;
  readonly presence: PresenceStore;
  /** Whether it is known who is in a channel. */
  readonly keepsPresence: (channel: string) => boolean;
  readonly connections: ConnectionRegistry;
  readonly admission: Admission;
  readonly times: SessionTimes;
  readonly limit: UserLimit | undefined;
  readonly metrics: Pick<RealtimeMetrics, 'sweeps' | 'stalls'>;
}

/** What of the node above the sessions act on. */
export interface SessionsListener {
  /** The node stood still and goes on: it may have missed publications. */
  resumed(): void;
  /** The store lost its latest data. */
  begunAnew(): void;
  /** Another connection of the user took the place of these, on whichever nodes they are. */
  replaced(user: string, connections: readonly string[]): void;
}

/** A connection of a user, on any node. */
export interface UserConnection extends ConnectionRecord {
  /** What it is subscribed to; known of this node's own connections only. */
  readonly channels?: readonly string[];
}

const CLOSE_MS = 2_000;
const TELL_MS = 5_000;
const EMPTY_MS = 1_000;

/** Who is connected anywhere: this node's part in it, and what it knows of the others'. */
export class Sessions {
  readonly node: string;
  readonly times: SessionTimes;
  readonly gate: StallGate;
  readonly events: SessionEvents;
  readonly places: UserPlaces;
  readonly #options: SessionsOptions;
  readonly #startedAt = Date.now();
  readonly #lease: NodeLease;
  readonly #recorder: SessionRecorder;
  readonly #presence: PresenceRecorder;
  readonly #sweeper: Sweeper;
  readonly #rounds: SessionRounds;
  #listener: SessionsListener | undefined;
  /** Monotonic milliseconds. */
  #rewritingUntil = 0;
  #listing: Promise<readonly NodeInfo[]> | undefined;
  /** Fences that this node has left, and that something may still stand under. */
  #leftovers: readonly string[] = [];

  constructor(options: SessionsOptions) {
    const { node, directory, sessions, presence, connections, times, limit, metrics } = options;
    this.node = node;
    this.times = times;
    this.#options = options;
    this.events = new SessionEvents(sessions);
    const onEvents = this.events.tell.bind(this.events);
    const listening = (): boolean => this.events.listening;
    const rewriteLeftMs = (): number => Math.max(0, this.#rewritingUntil - performance.now());
    const lease = new NodeLease({ directory, times, info: () => this.#info(), events: this.#leaseEvents() });
    this.#lease = lease;
    this.#sweeper = new Sweeper({ directory, sessions, presence, lease, times, metrics, onEvents });
    this.#rounds = new SessionRounds({ sessions, presence, lease, times, listening, onEvents });
    this.#recorder = new SessionRecorder({
      node,
      connections,
      sessions,
      times,
      limit,
      listening,
      onEvents,
      rewriteLeftMs,
      lease: () => lease.current,
      onForgotten: () => lease.beginAnew(),
      onSurplus: (user, surplus) => this.#listener?.replaced(user, surplus),
    });
    this.#presence = new PresenceRecorder({
      connections,
      store: presence,
      times,
      keeps: options.keepsPresence,
      rewriteLeftMs,
      lease: () => lease.current,
      onForgotten: () => lease.beginAnew(),
    });
    this.gate = new StallGate({
      times,
      metrics,
      ask: () => lease.renewAfresh(),
      onResumed: () => this.#listener?.resumed(),
    });
    this.places = new UserPlaces({ sessions, limit, gate: this.gate });
  }

  async start(listener: SessionsListener): Promise<void> {
    this.#listener = listener;
    await this.#lease.start();
    this.gate.start();
    this.#rounds.start();
  }

  /** Connections whose latest state the store does not have yet. */
  get unwritten(): number {
    return this.#recorder.pending;
  }

  /** Subscriptions whose latest state the presence does not have yet. */
  get unwrittenPresence(): number {
    return this.#presence.pending;
  }

  /** The session of a connection was renewed. */
  update(connection: Connection): void {
    this.#recorder.update(connection);
  }

  /** Whether a user is online anywhere. Rejects with `BackplaneUnavailable` where this node can't tell by itself. */
  async isOnline(user: string): Promise<boolean> {
    const { sessions, connections } = this.#options;
    return connections.ofUser(user).size > 0 || (await sessions.ofUser(user)).online;
  }

  /** Of a user on every node; this node's own as they are now. Rejects with `BackplaneUnavailable` while Redis is away. */
  async connectionsOf(user: string): Promise<readonly UserConnection[]> {
    const { sessions, connections } = this.#options;
    const known = await sessions.ofUser(user);
    const own = [...connections.ofUser(user)].map((connection) => ({
      ...this.#recorder.recordOf(connection),
      channels: [...connection.channels].filter((channel) => !isInternal(channel)),
    }));
    const others = known.connections.filter(({ node }) => node !== this.node);
    return [...others, ...own];
  }

  /** The living nodes, this one as it is now; it alone while Redis is away. */
  async nodes(): Promise<readonly NodeInfo[]> {
    const known = await this.#options.directory.list().catch((): readonly NodeInfo[] => []);
    return [this.#info(), ...known.filter(({ node }) => node !== this.node)];
  }

  /** Whether a node's lease is over, so that nobody is connected to it any more. Rejects with `BackplaneUnavailable`. */
  async hasLeft(node: string): Promise<boolean> {
    const known = await this.#living();
    return node !== this.node && known !== undefined && !known.has(node);
  }

  /** Whether who is not among the connections of a user is nowhere: it is not known where Redis lost its data a moment ago. */
  async knowsEverybody(): Promise<boolean> {
    return (await this.#living()) !== undefined;
  }

  /** The nodes with a living lease; undefined where some may not have written theirs anew, as this one had to, or has to. */
  async #living(): Promise<ReadonlySet<string> | undefined> {
    this.#listing ??= this.#options.directory.list().finally(() => (this.#listing = undefined));
    const known = new Set((await this.#listing).map(({ node }) => node));
    return known.has(this.node) && !this.#lease.isGathering ? known : undefined;
  }

  /** After the last connection ended. What the store could not be told is left to the other nodes' sweep. */
  async stop(): Promise<void> {
    this.gate.stop();
    this.#rounds.stop();
    await untilEmpty(this.#options.connections);
    const written = await Promise.all([this.#recorder.close(CLOSE_MS), this.#presence.close(CLOSE_MS)]);
    await this.events.close(TELL_MS);
    this.#lease.stop();
    if (written.every(Boolean) && this.#options.connections.size === 0)
      await this.#lease.withdraw().catch(() => undefined);
  }

  #leaseEvents(): ConstructorParameters<typeof NodeLease>[0]['events'] {
    return {
      onHeld: (view) => {
        for (const writer of this.#writers) writer.wake();
        this.#sweeper.consider(view);
        void this.#clearLeftovers();
      },
      onSwept: () => {
        this.#rewritingUntil = 0;
        for (const writer of this.#writers) writer.drop();
        for (const connection of this.#options.connections.all()) connection.close(CLOSE.goingAway);
      },
      onAnew: (former) => {
        this.#rewritingUntil = performance.now() + this.times.rewriteMs;
        void this.#moveFrom(former);
        this.#listener?.begunAnew();
      },
    };
  }

  async #moveFrom(former: readonly string[]): Promise<void> {
    const moved = await Promise.all(this.#writers.map((writer) => writer.writeAnew()));
    if (moved.every(Boolean)) this.#leftovers = former;
  }

  // Everyone who is here has moved: what still stands under the old fences is nobody's. Tried with each renewal.
  async #clearLeftovers(): Promise<void> {
    const fences = this.#leftovers;
    if (fences.length === 0) return;
    this.#leftovers = [];
    try {
      for (const fence of fences)
        if (!(await this.#sweeper.sweep(fence))) throw new Error('the lease was over');
      await this.#lease.settled(fences);
    } catch {
      this.#leftovers = fences;
    }
  }

  get #writers(): readonly Pick<WriteBehind<never>, 'wake' | 'drop' | 'writeAnew'>[] {
    return [this.#recorder.writer, this.#presence.writer];
  }

  #info(): NodeInfo {
    const { connections, admission } = this.#options;
    return {
      node: this.node,
      connections: connections.size,
      users: connections.users,
      startedAt: this.#startedAt,
      draining: admission.state !== 'open',
    };
  }
}

// What was destroyed leaves the registry a moment later.
async function untilEmpty(connections: ConnectionRegistry): Promise<void> {
  if (connections.size === 0) return;
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const stop = connections.onRemoved(() => connections.size === 0 && resolve(undefined));
  await within(EMPTY_MS, promise, () => undefined);
  stop();
}

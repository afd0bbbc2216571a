import { CLOSE, type Position } from '@aerie/protocol';
import type { ConnectionRegistry } from './connections/connection-registry.js';
import type { Heartbeat } from './connections/heartbeat.js';
import type { OutboxBudget } from './connections/outbox-budget.js';
import type { DriverConnections } from './driver-token.js';
import type { FailureCounter } from './handshake/failure-counter.js';
import type { Quarantine } from './handshake/quarantine.js';
import type { History } from './history/history.js';
import type { NodeCursors } from './history/node-cursors.js';
import type { Recovery } from './history/recovery.js';
import type { ResyncNotices } from './history/resync-notices.js';
import type { HttpEdge } from './http/http-edge.js';
import type { RealtimeMetrics } from './metrics/meter.js';
import type { NodePresence } from './presence/node-presence.js';
import type { Backplane, BackplaneListener } from './publishing/backplane.js';
import {
  BROADCAST_CHANNEL,
  channelOfPresence,
  CONTROL_CHANNEL,
  isInternal,
} from './publishing/internal-channels.js';
import type { LocalFanout } from './publishing/local-fanout.js';
import type { NodeCalls } from './publishing/node-calls.js';
import type { NodeChannels } from './publishing/node-channels.js';
import type { Control } from './sessions/control.js';
import type { RevocationLog } from './sessions/revocations.js';
import type { SessionExpiry } from './sessions/session-expiry.js';
import type { Sessions, SessionsListener } from './sessions/sessions.js';

export interface RealtimeNodeParts {
  readonly registry: ConnectionRegistry;
  readonly heartbeat: Heartbeat;
  readonly budget: OutboxBudget;
  readonly quarantine: Quarantine;
  readonly edge: HttpEdge;
  readonly metrics: RealtimeMetrics;
  readonly backplane: Backplane;
  /** Where no channel has one, nothing of it is opened. */
  readonly history: History | undefined;
  readonly failures: FailureCounter;
  readonly revocations: RevocationLog;
  readonly fanout: LocalFanout;
  readonly channels: NodeChannels;
  readonly calls: NodeCalls;
  readonly cursors: NodeCursors;
  readonly recovery: Recovery;
  readonly notices: ResyncNotices;
  readonly presence: NodePresence;
  readonly control: Control;
  readonly sessions: Sessions;
  readonly expiry: SessionExpiry;
  readonly connections: DriverConnections | undefined;
}

/** One gateway process: starts the drivers before anyone may come in, and closes them when everyone has left. */
export class RealtimeNode implements BackplaneListener, SessionsListener {
  readonly #parts: RealtimeNodeParts;

  constructor(parts: RealtimeNodeParts) {
    this.#parts = parts;
    parts.registry.onAdded(() => parts.metrics.connectionsOpened.inc());
    parts.registry.onRemoved((_connection, { code }) => parts.metrics.connectionClosed(code));
  }

  async start(): Promise<void> {
    const { backplane, history, revocations, control, channels, calls, sessions } = this.#parts;
    await history?.start();
    await revocations.start((revocation) => control.applyRevocation(revocation));
    await backplane.start(this);
    const own = [CONTROL_CHANNEL, BROADCAST_CHANNEL, calls.channel];
    await Promise.all(own.map((channel) => channels.listen(channel)));
    await sessions.start(this);
  }

  deliver(channel: string, frame: Uint8Array, position?: Position): void {
    const { gate } = this.#parts.sessions;
    if (gate.isOpen()) this.#deliver(channel, frame, position);
    // Where there is no room for it, it is missed, as the gap after it tells.
    else gate.hold(frame.byteLength, () => this.#deliver(channel, frame, position));
  }

  #deliver(channel: string, frame: Uint8Array, position: Position | undefined): void {
    if (position !== undefined) this.#parts.cursors.receive(channel, { frame, position });
    else if (isInternal(channel)) this.#deliverInternal(channel, frame);
    else this.#parts.fanout.deliver(channel, frame);
  }

  #deliverInternal(channel: string, frame: Uint8Array): void {
    const about = channelOfPresence(channel);
    if (channel === CONTROL_CHANNEL) this.#parts.control.receive(frame);
    else if (channel === this.#parts.calls.channel) this.#parts.calls.receive(frame);
    else if (about === undefined) this.#parts.fanout.deliver(channel, frame);
    else this.#parts.presence.receive(about, frame);
  }

  gap(): void {
    this.#parts.metrics.backplaneGaps.inc();
    // Whom it names must not stay because the news of it was lost; the log's own rounds go on trying.
    void this.#parts.revocations.refresh().catch(() => undefined);
    this.#parts.cursors.gap();
    this.#parts.presence.gap();
  }

  resumed(): void {
    this.gap();
  }

  begunAnew(): void {
    this.#parts.presence.doubt();
  }

  replaced(user: string, connections: readonly string[]): void {
    void this.#parts.control.replaced(user, connections);
  }

  async stop(): Promise<void> {
    const { registry, quarantine, heartbeat, budget, expiry, edge } = this.#parts;
    const { channels, calls, cursors, recovery, notices, presence } = this.#parts;
    quarantine.clear(CLOSE.goingAway);
    for (const connection of registry.all()) connection.destroy();
    heartbeat.close();
    budget.close();
    expiry.close();
    channels.close();
    calls.close();
    recovery.close();
    cursors.close();
    notices.close();
    presence.close();
    edge.detach();
    await this.#closeDrivers();
  }

  async #closeDrivers(): Promise<void> {
    const { sessions, backplane, history, revocations, failures, connections } = this.#parts;
    await sessions.stop();
    await backplane.close();
    await history?.close();
    await revocations.close();
    await failures.close();
    await connections?.close();
  }
}

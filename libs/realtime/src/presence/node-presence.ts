import { LIMITS, type PresenceSet, SYSTEM } from '@aerie/protocol';
import { CheckRounds } from '../check-rounds.js';
import type { RealtimeMetrics } from '../metrics/meter.js';
import { presenceChannel } from '../publishing/internal-channels.js';
import type { LocalFanout } from '../publishing/local-fanout.js';
import type { SessionTimes } from '../sessions/session-times.js';
import type { StallGate } from '../sessions/stall-gate.js';
import { readChange } from './presence-change.js';
import type { KnownMembers, PresenceReplica } from './presence-replica.js';
import type { PresenceRange, PresenceStore } from './presence-store.js';
import { WatchedChannel } from './watched-channel.js';

export interface NodePresenceOptions {
  readonly store: PresenceStore;
  readonly fanout: LocalFanout;
  readonly metrics: Pick<RealtimeMetrics, 'presenceResets'>;
  readonly gate: Pick<StallGate, 'passed'>;
  readonly times: Pick<SessionTimes, 'rewriteMs'>;
}

/**
 * Who is in the channels for which somebody on this node asked: those who did get each `$join` and `$leave` in the order of
 * their versions, and the whole set again where some were missed.
 */
export class NodePresence {
  readonly #options: NodePresenceOptions;
  readonly #watched = new Map<string, WatchedChannel>();
  readonly #rounds = new CheckRounds('AeriePresence');

  constructor(options: NodePresenceOptions) {
    this.#options = options;
  }

  /** Channels whose members this node knows. */
  get size(): number {
    return this.#watched.size;
  }

  /** Reads the members once the backplane is heard. Rejects as `subscribed` does and with `BackplaneUnavailable`. */
  async follow(channel: string, subscribed: Promise<void>): Promise<void> {
    const { store, gate, times } = this.#options;
    // Asked for before the node stood still, it may be answered after it was swept: nobody gets it then.
    const page: PresenceStore['page'] = (name, range) => store.page(name, range).finally(() => gate.passed());
    this.release(channel);
    const watched = new WatchedChannel(channel, { store: { page }, rewriteMs: times.rewriteMs }, (replica) =>
      this.#tellAll(replica),
    );
    this.#watched.set(channel, watched);
    this.#rounds.add(watched);
    await subscribed;
    await watched.replica.read();
  }

  release(channel: string): void {
    const watched = this.#watched.get(channel);
    if (watched === undefined) return;
    this.#watched.delete(channel);
    this.#rounds.remove(watched);
  }

  /** Undefined for a channel that nobody on this node asked for. */
  page(channel: string, range: PresenceRange, own?: string): PresenceSet | undefined {
    const watched = this.#watched.get(channel);
    return watched === undefined ? undefined : setOf(watched.replica.page(range, own));
  }

  /** Takes a frame that the store announced. */
  receive(channel: string, frame: Uint8Array): void {
    const watched = this.#watched.get(channel);
    const change = readChange(frame);
    if (watched === undefined || change === undefined) return;
    if (watched.take(change)) this.#options.fanout.deliver(presenceChannel(channel), frame);
  }

  /** The backplane may have missed something. */
  gap(): void {
    this.#rounds.gap();
  }

  /** The store lost its latest changes. */
  doubt(): void {
    for (const watched of this.#watched.values()) watched.replica.doubt();
    this.#rounds.gap();
  }

  close(): void {
    for (const channel of this.#watched.keys()) this.release(channel);
  }

  #tellAll(replica: PresenceReplica): void {
    const { channel } = replica;
    if (this.#watched.get(channel)?.replica !== replica) return;
    const set = setOf(replica.page({ limit: LIMITS.presencePage }));
    const frame = JSON.stringify({ event: SYSTEM.presence, data: { channel, ...set } });
    this.#options.fanout.deliver(presenceChannel(channel), Buffer.from(frame));
    this.#options.metrics.presenceResets.inc();
  }
}

function setOf({ version, users, more }: KnownMembers): PresenceSet {
  return { version, members: users.map((user) => ({ user })), ...(more && { more }) };
}

import { LIMITS, type PresenceSet, SYSTEM } from '@aerie/protocol';
import type { RealtimeMetrics } from '../metrics/meter.js';
import { presenceChannel } from '../publishing/internal-channels.js';
import type { LocalFanout } from '../publishing/local-fanout.js';
import type { StallGate } from '../sessions/stall-gate.js';
import { readChange } from './presence-change.js';
import { type KnownMembers, PresenceReplica } from './presence-replica.js';
import type { PresenceRange, PresenceStore } from './presence-store.js';

const TICK_MS = 500;
/** A channel that brought nothing for so long is compared with the store. */
const IDLE_MS = 40_000;
/** After a gap of the backplane every channel is compared, within so long. */
const GAP_SPREAD_MS = 1_000;
const RETRY_MS = 1_000;
/** Comparisons at a time. */
const BATCH = 200;

export interface NodePresenceOptions {
  readonly store: PresenceStore;
  readonly fanout: LocalFanout;
  readonly metrics: Pick<RealtimeMetrics, 'presenceResets'>;
  readonly gate: Pick<StallGate, 'passed'>;
}

interface Followed {
  readonly replica: PresenceReplica;
  /** When to compare it with the store. */
  dueAt: number;
  /** Whether it is known to lack something. */
  lacking: boolean;
}

/**
 * Who is in the channels for which somebody on this node asked: those who did get each `$join` and `$leave` in the order of
 * their versions, and the whole set again where some were missed.
 */
export class NodePresence {
  readonly #options: NodePresenceOptions;
  readonly #followed = new Map<string, Followed>();
  #timer: NodeJS.Timeout | undefined;
  #checking = false;

  constructor(options: NodePresenceOptions) {
    this.#options = options;
  }

  /** Channels whose members this node knows. */
  get size(): number {
    return this.#followed.size;
  }

  /** Reads the members once the backplane is heard. Rejects as `subscribed` does and with `BackplaneUnavailable`. */
  async follow(channel: string, subscribed: Promise<void>): Promise<void> {
    const { store, gate } = this.#options;
    // Asked for before the node stood still, it may be answered after it was swept: nobody gets it then.
    const page: PresenceStore['page'] = (name, range) => store.page(name, range).finally(() => gate.passed());
    const replica = new PresenceReplica(channel, { page });
    this.#followed.set(channel, { replica, dueAt: idleUntil(performance.now()), lacking: false });
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref();
    await subscribed;
    await replica.read();
  }

  release(channel: string): void {
    this.#followed.delete(channel);
    if (this.#followed.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Undefined for a channel that nobody on this node asked for. */
  page(channel: string, range: PresenceRange, own?: string): PresenceSet | undefined {
    const followed = this.#followed.get(channel);
    return followed === undefined ? undefined : setOf(followed.replica.page(range, own));
  }

  /** Takes a frame that the store announced. */
  receive(channel: string, frame: Uint8Array): void {
    const followed = this.#followed.get(channel);
    const change = readChange(frame);
    if (followed === undefined || change === undefined) return;
    const outcome = followed.replica.apply(change);
    if (outcome === 'next') this.#options.fanout.deliver(presenceChannel(channel), frame);
    if (outcome === 'gap') void this.#readAnew(followed);
  }

  /** The backplane may have missed something. */
  gap(): void {
    const now = performance.now();
    for (const followed of this.#followed.values()) {
      followed.replica.active = false;
      followed.dueAt = now + Math.random() * GAP_SPREAD_MS;
    }
  }

  close(): void {
    for (const channel of this.#followed.keys()) this.release(channel);
  }

  #tick(): void {
    if (this.#checking) return;
    const now = performance.now();
    const due = [...this.#followed.values()].filter((followed) => isDue(followed, now)).slice(0, BATCH);
    if (due.length > 0) void this.#check(due);
  }

  async #check(due: readonly Followed[]): Promise<void> {
    this.#checking = true;
    await Promise.all(due.map((followed) => this.#checkOne(followed)));
    this.#checking = false;
  }

  async #checkOne(followed: Followed): Promise<void> {
    try {
      followed.dueAt = idleUntil(performance.now());
      if (followed.lacking || !(await followed.replica.isCurrent())) await this.#readAnew(followed);
    } catch {
      followed.dueAt = performance.now() + RETRY_MS;
    }
  }

  async #readAnew(followed: Followed): Promise<void> {
    followed.lacking = true;
    try {
      const isNews = await followed.replica.read();
      if (followed.lacking && isNews) this.#tellAll(followed.replica);
      followed.lacking = false;
    } catch {
      followed.dueAt = performance.now() + RETRY_MS;
    }
  }

  #tellAll(replica: PresenceReplica): void {
    const { channel } = replica;
    if (this.#followed.get(channel)?.replica !== replica) return;
    const set = setOf(replica.page({ limit: LIMITS.presencePage }));
    const frame = JSON.stringify({ event: SYSTEM.presence, data: { channel, ...set } });
    this.#options.fanout.deliver(presenceChannel(channel), Buffer.from(frame));
    this.#options.metrics.presenceResets.inc();
  }
}

function setOf({ version, users, more }: KnownMembers): PresenceSet {
  return { version, members: users.map((user) => ({ user })), ...(more && { more }) };
}

// What comes without a gap shows that nothing is missing.
function isDue(followed: Followed, now: number): boolean {
  if (followed.replica.active && !followed.lacking) followed.dueAt = idleUntil(now);
  followed.replica.active = false;
  return followed.dueAt <= now;
}

function idleUntil(now: number): number {
  return now + IDLE_MS * (0.75 + Math.random() / 4);
}

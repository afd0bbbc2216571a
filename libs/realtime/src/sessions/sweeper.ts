import { Logger } from '@nestjs/common';
import type { RealtimeMetrics } from '../metrics/meter.js';
import type { PresenceStore } from '../presence/presence-store.js';
import type { NodeDirectory, LeaseView } from './node-directory.js';
import type { NodeLease } from './node-lease.js';
import type { SessionEvent } from './session-event.js';
import type { SessionRegistry } from './session-registry.js';
import type { SessionTimes } from './session-times.js';

export interface SweeperOptions {
  readonly directory: NodeDirectory;
  readonly sessions: SessionRegistry;
  readonly presence: Pick<PresenceStore, 'sweep'>;
  readonly lease: NodeLease;
  readonly times: SessionTimes;
  readonly metrics: Pick<RealtimeMetrics, 'sweeps'>;
  readonly onEvents: (events: readonly SessionEvent[]) => void;
}

interface Sighting {
  readonly leaseUntil: number;
  /** Monotonic milliseconds. */
  readonly firstAt: number;
}

/** Timers may be so much too early. */
const EARLY = 0.9;

/** Clears what dead nodes left. One is dead that was seen so twice, a renewal apart, by a node that sees clearly. */
export class Sweeper {
  readonly #options: SweeperOptions;
  readonly #logger = new Logger('AerieSessions');
  #sightings = new Map<string, Sighting>();
  #busy = false;

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  /** Called with what each renewal saw. */
  consider(view: LeaseView): void {
    const { lease, times } = this.#options;
    if (lease.isQuiet) {
      this.#sightings.clear();
      return;
    }
    const now = performance.now();
    const before = this.#sightings;
    this.#sightings = new Map(
      view.dead.map(({ fence, leaseUntil }) => {
        const known = before.get(fence);
        return [fence, known?.leaseUntil === leaseUntil ? known : { leaseUntil, firstAt: now }];
      }),
    );
    const dead = view.dead.filter(
      ({ fence }) => now - (this.#sightings.get(fence)?.firstAt ?? now) >= times.renewMs * EARLY,
    );
    if (dead.length > 0 || view.sweepsDue) void this.#claim(dead);
  }

  /** Removes everything under a fence. False where it could not be brought to its end. */
  async sweep(fence: string): Promise<boolean> {
    return (await this.#sweepSessions(fence)) && this.#sweepPresence(fence);
  }

  async #sweepPresence(fence: string): Promise<boolean> {
    const { presence, lease } = this.#options;
    for (;;) {
      const { current } = lease;
      const step = current === undefined ? undefined : await presence.sweep(current, fence);
      if (step?.state !== 'more') return step?.state === 'swept';
    }
  }

  async #sweepSessions(fence: string): Promise<boolean> {
    const { sessions, lease, onEvents } = this.#options;
    let removed = 0;
    for (;;) {
      const { current } = lease;
      const step = current === undefined ? undefined : await sessions.sweep(current, fence);
      if (step === undefined || step.state === 'refused') return false;
      removed += step.removed;
      onEvents(step.events);
      if (step.state === 'more') continue;
      if (removed > 0) this.#logger.warn(`cleared ${removed} connections that a lost node had left`);
      return true;
    }
  }

  // What is not brought to its end here is swept again later, by whoever claims it then.
  async #claim(dead: LeaseView['dead']): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    const { directory, times } = this.#options;
    try {
      const fences = await directory.claimSweeps(dead, {
        marginMs: times.sweepMarginMs,
        againMs: times.sweepAgainMs,
      });
      this.#options.metrics.sweeps.inc(fences.length);
      for (const fence of fences) await this.sweep(fence);
    } catch {
      this.#logger.warn('what a lost node left could not be cleared now; it is tried again');
    } finally {
      this.#busy = false;
    }
  }
}

import { Logger } from '@nestjs/common';
import type { PresenceStore } from '../presence/presence-store.js';
import type { NodeLease } from './node-lease.js';
import type { SessionEvent } from './session-event.js';
import type { SessionRegistry } from './session-registry.js';
import type { SessionTimes } from './session-times.js';

export interface SessionRoundsOptions {
  readonly sessions: SessionRegistry;
  readonly presence: Pick<PresenceStore, 'endGraces'>;
  readonly lease: NodeLease;
  readonly times: SessionTimes;
  readonly listening: () => boolean;
  readonly onEvents: (events: readonly SessionEvent[]) => void;
}

/** However many nodes share the rounds, each makes one at least so often. */
const MOST_SHARED = 10;

/** Looks for what is due whoever began it: graces that are over, events that their node did not get told. */
export class SessionRounds {
  readonly #options: SessionRoundsOptions;
  readonly #logger = new Logger('AerieSessions');
  #timer: NodeJS.Timeout | undefined;
  #away = false;
  #closed = false;

  constructor(options: SessionRoundsOptions) {
    this.#options = options;
  }

  start(): void {
    const { times, lease } = this.#options;
    const waitMs = times.roundMs * Math.min(MOST_SHARED, lease.nodes) * (0.5 + Math.random());
    this.#timer = setTimeout(() => void this.#round(), waitMs).unref();
  }

  stop(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #round(): Promise<void> {
    const { sessions, presence, lease, listening, onEvents } = this.#options;
    try {
      const { current } = lease;
      if (current !== undefined) {
        onEvents(await sessions.claimDue(current, { listening: listening() }));
        await presence.endGraces(current);
      }
      this.#away = false;
    } catch {
      if (!this.#away) this.#logger.warn('sessions can’t be looked through now; trying again');
      this.#away = true;
    }
    if (!this.#closed) this.start();
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import { within } from '../deadline.js';
import type { SessionRegistry, UserLimit } from './session-registry.js';
import type { StallGate } from './stall-gate.js';

/** From here to the 101, and to the write behind it. */
const HOLD_MS = 5_000;
/** A store that takes longer counts as away. */
const TIMEOUT_MS = 500;
const AGAIN_MS = 200;
/** Timers of a node that does not stand still are not so late. */
const LATE_MS = 100;
/** Times that a node which stands still again and again asks. */
const MOST_ASKED = 3;

export interface UserPlacesOptions {
  readonly sessions: Pick<SessionRegistry, 'hold'>;
  readonly limit: UserLimit | undefined;
  readonly gate: Pick<StallGate, 'isOpen' | 'passed'>;
}

/** How many connections a user may have on all nodes together. While the store is away each node goes by its own count. */
export class UserPlaces {
  readonly #sessions: Pick<SessionRegistry, 'hold'>;
  readonly #limit: UserLimit | undefined;
  readonly #gate: UserPlacesOptions['gate'];

  constructor({ sessions, limit, gate }: UserPlacesOptions) {
    this.#sessions = sessions;
    this.#limit = limit;
    this.#gate = gate;
  }

  /** Keeps a place for one more connection of a user for a moment, or only looks whether there is one. */
  async hasRoom(user: string, { dryRun = false }: { readonly dryRun?: boolean } = {}): Promise<boolean> {
    const limit = this.#limit;
    if (limit === undefined || limit.overflow === 'replace') return true;
    const ask = (): Promise<boolean> => this.#hold(user, limit.max, dryRun ? 0 : HOLD_MS);
    if (await ask()) return true;
    // A goodbye to another node may still be on its way.
    await sleep(AGAIN_MS);
    return ask();
  }

  async #hold(user: string, max: number, holdMs: number): Promise<boolean> {
    let stoodStill = false;
    for (let asked = 0; asked < MOST_ASKED; asked += 1) {
      const askedAt = performance.now();
      const answer = this.#sessions.hold(user, max, holdMs).catch(() => undefined);
      const held = await within(TIMEOUT_MS, answer, () => undefined);
      if (held !== undefined) return held;
      stoodStill ||= performance.now() - askedAt > TIMEOUT_MS + LATE_MS || !this.#gate.isOpen();
      if (!stoodStill) return true;
      // It was this node that did not look, and gave its connections up for dead: the store may well be there.
      await this.#gate.passed();
      await sleep(AGAIN_MS);
    }
    return true;
  }
}

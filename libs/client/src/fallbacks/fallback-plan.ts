import type { Answer } from '../wire.js';
import type { TransportKind } from './transport-kind.js';
import type { TransportMemory } from './transport-memory.js';

/** So many WebSockets in a row that nobody answered mean that something between swallows them. */
const SILENT_ATTEMPTS = 2;
const WOULD_HAVE_OPENED = 426;
/** A server, or what stands before it, that doesn't have this transport. */
const NOT_SERVED = [404, 405, 501];
/** What proxies answer to what they don't let through. */
const TURNED_AWAY = [400, 403, ...NOT_SERVED];

/** What a plan looks at. */
export interface PlannedEnding {
  readonly answer?: Answer | undefined;
  /** Absent where nothing was tried. */
  readonly reached?: Reached | undefined;
  readonly code: number;
}

/** How far an attempt came: it never opened, it opened, it was welcomed. */
export type Reached = 'nothing' | 'opened' | 'welcomed';

/** `next`: another transport, after the usual wait. `now`: another transport at once. */
export type PlanStep = 'stay' | 'next' | 'now';

/**
 * Which transport the next attempt takes. One plan per client. The WebSocket first, the fallbacks behind it in their order, and round again. Only what points at the transport moves
 * on: an open that the server would have allowed, one that nobody answered or that a proxy turned away, one that brought no
 * `$welcome`. A refusal of the server stays where it is, as it would be the same everywhere.
 */
export class FallbackPlan {
  readonly #kinds: readonly TransportKind[];
  readonly #memory: TransportMemory;
  #index: number;
  #silent = 0;
  /** A proxy has turned the WebSocket of this round away. */
  #socketTurnedAway = false;
  /** The WebSocket failed since something worked: if a fallback works now, that is the proof. */
  #failed = false;
  #worked = false;

  /** @param kinds The WebSocket, then what stands in for it. */
  constructor(kinds: readonly TransportKind[], memory: TransportMemory) {
    this.#kinds = kinds;
    this.#memory = memory;
    this.#index = this.#remembered;
  }

  get current(): TransportKind {
    return this.#kinds[this.#index] as TransportKind;
  }

  /** A connection begins. After one that worked, whoever ended it, what is remembered now comes first. */
  begin(): void {
    if (this.#worked && this.#index > 0) this.#index = this.#remembered;
    this.#worked = false;
  }

  /** The current one said `$welcome`. */
  welcomed(): void {
    this.#worked = true;
    this.#silent = 0;
    if (this.#index === 0) this.#memory.forget();
    // Another client of the same address may have said so already.
    else if (this.#failed && !this.#memory.recall()) this.#memory.remember(this.current.name);
    this.#failed = false;
  }

  /** An attempt, or the connection that came of it, ended. */
  ended(ending: PlannedEnding): PlanStep {
    if (!ending.reached || ending.reached === 'welcomed' || ending.code !== 1006) return 'stay';
    if (!this.#isToBlame(ending)) return 'stay';
    this.#silent = 0;
    const turnedAway = isTurnedAway(ending);
    if (this.#index === 0) this.#socketTurnedAway = turnedAway;
    this.#failed ||= this.#index === 0;
    this.#index = (this.#index + 1) % this.#kinds.length;
    // Nothing is let through: the answer decides, as it would without fallbacks.
    if (this.#index === 0 && turnedAway && this.#socketTurnedAway) return 'stay';
    // Where nobody answers, nobody may be there: no reason to hurry. Nor after one round of all.
    return this.#index > 0 && (ending.answer || ending.reached === 'opened') ? 'now' : 'next';
  }

  #isToBlame(ending: PlannedEnding): boolean {
    const { answer, reached } = ending;
    if (isTurnedAway(ending)) return true;
    if (this.#index > 0) return !answer || NOT_SERVED.includes(answer.status);
    if (answer) return answer.status === WOULD_HAVE_OPENED;
    this.#silent += 1;
    return reached === 'opened' || this.#silent >= SILENT_ATTEMPTS;
  }

  get #remembered(): number {
    const name = this.#memory.recall();
    return Math.max(
      0,
      this.#kinds.findIndex((kind) => kind.name === name),
    );
  }
}

function isTurnedAway({ answer }: PlannedEnding): boolean {
  return !!answer && !answer.error && TURNED_AWAY.includes(answer.status);
}

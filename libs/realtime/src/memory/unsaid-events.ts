import type { SessionEvent } from '../sessions/session-event.js';

interface Unsaid {
  readonly event: SessionEvent;
  claimableAt: number;
}

/** An event that nobody acknowledges for so long is given up. */
const EVENT_LIFE_MS = 3_600_000;

/** Events that wait to be acknowledged. */
export class UnsaidEvents {
  readonly #events = new Map<string, Unsaid>();
  readonly #claimMs: number;

  /** @param claimMs After it an event may be told by others. */
  constructor(claimMs: number) {
    this.#claimMs = claimMs;
  }

  keep<Event extends SessionEvent>(events: readonly Event[]): readonly Event[] {
    const claimableAt = Date.now() + this.#claimMs;
    for (const event of events) this.#events.set(event.id, { event, claimableAt });
    return events;
  }

  /** Those whose time has come; without `listening` old ones are given up only. */
  claim(listening: boolean): readonly SessionEvent[] {
    const now = Date.now();
    const claimed: SessionEvent[] = [];
    for (const unsaid of this.#events.values()) {
      if (unsaid.claimableAt > now) continue;
      if (unsaid.event.at + EVENT_LIFE_MS < now) this.forget(unsaid.event.id);
      else if (listening) claimed.push(unsaid.event);
      if (listening) unsaid.claimableAt = now + this.#claimMs;
    }
    return claimed;
  }

  forget(id: string): void {
    this.#events.delete(id);
  }
}

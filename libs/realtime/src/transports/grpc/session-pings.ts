import type { Http2Session } from 'node:http2';

/** Asks peers for a sign of life. One ping serves all calls of a session, as it may have only a few under way. */
export class SessionPings {
  readonly #waiting = new WeakMap<Http2Session, (() => void)[]>();

  /** Calls `alive` when the peer has answered; not at all where it does not. */
  ask(session: Http2Session | undefined, alive: () => void): void {
    if (session === undefined || session.destroyed) return;
    const waiting = this.#waiting.get(session);
    if (waiting !== undefined) {
      waiting.push(alive);
      return;
    }
    const asked = [alive];
    this.#waiting.set(session, asked);
    session.ping((error) => {
      this.#waiting.delete(session);
      if (error === null) for (const tell of asked) tell();
    });
  }
}

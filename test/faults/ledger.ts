import type { Position } from '@aerie/protocol';

/** One publication that the server has taken, as its answer tells. */
export interface Taken extends Position {
  readonly channel: string;
  readonly text: string;
}

/** What a client saw of one channel, in order. */
export type Sight =
  | Subscribed
  | { readonly kind: 'publication'; readonly seen: Seen }
  | { readonly kind: 'resync'; readonly at: Position };

/** The reply to `$subscribe`. */
export interface Subscribed {
  readonly kind: 'subscribed';
  /** Where the client said it was. */
  readonly from: Position | undefined;
  readonly at: Position;
  readonly recovered: boolean | undefined;
  readonly publications: readonly Seen[];
}

export interface Seen {
  readonly offset: number;
  readonly text: string;
}

export interface Verdict {
  /** What broke the promise, in words; empty: it was kept. */
  readonly faults: readonly string[];
  /** Publications that came live. */
  readonly live: number;
  /** Publications that a recovery brought. */
  readonly replayed: number;
  /** Times at which the client was told that it missed something. */
  readonly told: number;
}

/** Everything that was published: what stands at a position, by what the server answered. */
export class Ledger {
  readonly #texts = new Map<string, string>();
  readonly #newest = new Map<string, Position>();
  readonly faults: string[] = [];

  get size(): number {
    return this.#texts.size;
  }

  add({ channel, epoch, offset, text }: Taken): void {
    const key = keyOf(channel, { epoch, offset });
    const other = this.#texts.get(key);
    if (other !== undefined && other !== text) this.faults.push(`${key} is both ${other} and ${text}`);
    this.#texts.set(key, text);
    const newest = this.#newest.get(channel);
    if (newest?.epoch !== epoch || newest.offset < offset) this.#newest.set(channel, { epoch, offset });
  }

  textAt(channel: string, position: Position): string | undefined {
    return this.#texts.get(keyOf(channel, position));
  }
}

function keyOf(channel: string, { epoch, offset }: Position): string {
  return `${channel} ${epoch}:${offset}`;
}

export interface Stretch {
  readonly ledger: Ledger;
  /** Where the client was; undefined: it had not subscribed yet. */
  readonly from?: Position | undefined;
  readonly end: Position;
}

/**
 * Judges what one client saw of one channel: every publication once and in order from `from` or its first subscription to
 * `end`, or a word that something is missing.
 */
export function judge(channel: string, sights: readonly Sight[], { ledger, from, end }: Stretch): Verdict {
  const walk = new Walk(channel, ledger, from);
  for (const sight of sights) walk.take(sight);
  return walk.verdict(end);
}

class Walk {
  readonly #faults: string[] = [];
  #at: Position | undefined;
  #live = 0;
  #replayed = 0;
  #told = 0;

  constructor(
    private readonly channel: string,
    private readonly ledger: Ledger,
    from: Position | undefined,
  ) {
    this.#at = from;
  }

  take(sight: Sight): void {
    if (sight.kind === 'publication') {
      this.#live += 1;
      this.#next(sight.seen);
    } else if (sight.kind === 'resync') {
      this.#told += 1;
      this.#at = sight.at;
    } else this.#subscribed(sight);
  }

  verdict(end: Position): Verdict {
    if (this.#at?.epoch !== end.epoch || this.#at.offset !== end.offset)
      this.#fault(`ends at ${said(this.#at)} instead of ${said(end)}`);
    return { faults: this.#faults, live: this.#live, replayed: this.#replayed, told: this.#told };
  }

  #subscribed({ from, at, recovered, publications }: Subscribed): void {
    if (from === undefined) {
      if (this.#at !== undefined) this.#fault('subscribed anew without saying where it was');
    } else if (recovered === true) {
      for (const seen of publications) this.#next(seen);
      this.#replayed += publications.length;
      if (this.#at?.epoch !== at.epoch || this.#at.offset !== at.offset)
        this.#fault(`recovered to ${said(this.#at)} while the reply says ${said(at)}`);
    } else if (recovered === false) this.#told += 1;
    else this.#fault('said where it was, and was not told whether it goes on from there');
    this.#at = at;
  }

  #next({ offset, text }: Seen): void {
    const at = this.#at;
    if (at === undefined) return this.#fault(`got ${offset} before it was subscribed`);
    if (offset <= at.offset) this.#fault(`got ${offset} again, or late, behind ${said(at)}`);
    if (offset > at.offset + 1) this.#fault(`lost ${at.offset + 1} to ${offset - 1} in silence`);
    this.#at = { epoch: at.epoch, offset };
    const published = this.ledger.textAt(this.channel, this.#at);
    if (published !== undefined && published !== text)
      this.#fault(`${said(this.#at)} is ${text}, while ${published} was published there`);
  }

  #fault(what: string): void {
    this.#faults.push(`${this.channel}: ${what}`);
  }
}

function said(position: Position | undefined): string {
  return position === undefined ? 'nothing' : `${position.epoch}:${position.offset}`;
}

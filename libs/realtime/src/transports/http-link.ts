import type { Connection } from '../connections/connection.js';
import type { ClientFacade } from './client-facade.js';
import type { HttpWire } from './http-wire.js';
import { Link, type LinkPorts } from './link.js';

/** Messages that a client sent beside its stream. */
export interface SentMessages {
  /** Which of its calls this is, from 1; undefined where it does not count them. */
  readonly seq?: number | undefined;
  /** Each as JSON. */
  readonly messages: readonly string[];
}

/** What becomes of them. `gap`: not the next call; `full`: the ones before are not done. */
export type Taken =
  { readonly outcome: 'taken' | 'full' } | { readonly outcome: 'gap'; readonly expected: number };

/** A link whose client sends by requests of their own, each of which may come twice. */
export abstract class HttpLink extends Link {
  readonly #wire: HttpWire;
  #lastSeq = 0;

  constructor(wire: HttpWire, client: ClientFacade, ports: LinkPorts) {
    super(client, ports);
    this.#wire = wire;
  }

  get connection(): Connection {
    return this.client.connection;
  }

  /** Takes messages in order; a call that was taken before does nothing. */
  accept({ seq, messages }: SentMessages): Taken {
    if (seq !== undefined && seq <= this.#lastSeq) return { outcome: 'taken' };
    const expected = this.#lastSeq + 1;
    if (seq !== undefined && seq > expected) return { outcome: 'gap', expected };
    if (this.#wire.paused) return { outcome: 'full' };
    this.#lastSeq = seq ?? this.#lastSeq;
    for (const message of messages) this.take(Buffer.from(message), false);
    return { outcome: 'taken' };
  }
}

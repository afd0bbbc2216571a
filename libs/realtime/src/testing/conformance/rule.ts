import type { Need } from './target.js';
import type { OptionalTransport } from './transports.js';
import type { Trial } from './trial.js';

/** One rule of the wire protocol, and how to find out whether a server keeps it. */
export interface Rule {
  /** Stable, and the same in docs/wire-protocol.md. */
  readonly name: string;
  /** The rule in a sentence. */
  readonly says: string;
  /** What it takes beside a URL and two tokens. */
  readonly needs?: readonly Need[];
  /** Which ways of talking it is about, where a server may lack them. */
  readonly over?: OptionalTransport | readonly OptionalTransport[];
  /** How long it may take, where it waits for what comes only now and then. Milliseconds, default 30,000. */
  readonly limitMs?: number;
  /** Rejects, saying why, where the server doesn't keep it. */
  run(trial: Trial): Promise<void>;
}

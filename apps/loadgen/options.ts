import { parseArgs } from 'node:util';

export interface BenchOptions {
  /** Names of cases; empty: all. */
  readonly cases: readonly string[];
  /** Names of peers, the first of which the others are compared with; empty: all. */
  readonly peers: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  /** A folder for results.json and results.svg. */
  readonly out: string | undefined;
  /** How cost grows, instead of the comparison; of Aerie where no peer is named. */
  readonly curves: boolean;
}

export const USAGE = `npm run bench -- [options]

  --case NAME     one case; several times for several (default: all)
  --peer NAME     ws, Aerie, Nest, Socket.IO, Bun or C, likewise; the first one is what the others are compared with
  --rounds N      how often each peer is asked (default 3)
  --seconds N     how long each time (default 3)
  --out FOLDER    where results.json and results.svg go
  --curves        how cost grows, instead of the comparison: Aerie's where no peer is named`;

/** Throws, with the usage, where the arguments can't be read. */
export function readOptions(argv: readonly string[]): BenchOptions {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        case: { type: 'string', multiple: true, default: [] },
        peer: { type: 'string', multiple: true, default: [] },
        rounds: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '3' },
        out: { type: 'string' },
        curves: { type: 'boolean', default: false },
      },
    });
    const { case: cases, peer: peers, out, curves } = values;
    return {
      cases,
      peers,
      out,
      curves,
      rounds: positive('rounds', values.rounds),
      seconds: positive('seconds', values.seconds),
    };
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`, {
      cause: error,
    });
  }
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} must be a number above 0`);
  return value;
}

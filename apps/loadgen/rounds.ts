import type { Case, Figure } from './cases.js';
import type { Peer } from './peers.js';

/** What a case made of one peer, over all rounds. */
export interface PeerResult {
  readonly peer: string;
  /** The median over the rounds. */
  readonly value: number;
  /** Pair by pair against the baseline of the same round, the median: above 1 is better than it. Undefined without one. */
  readonly ratio: number | undefined;
  readonly figures: readonly Figure[];
  /** Why there are fewer figures than rounds. */
  readonly failures: readonly string[];
}

export interface CaseResult {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly more: boolean;
  readonly peers: readonly PeerResult[];
}

export interface RoundsOptions {
  readonly rounds: number;
  /** Measured, per peer and round. */
  readonly seconds: number;
  readonly onProgress: (peer: string, share: number) => void;
}

/** Asks every peer in turn, the first one of each round being another: a machine that slows down slows all of them. */
export async function runRounds(
  question: Case,
  peers: readonly Peer[],
  { rounds, seconds, onProgress }: RoundsOptions,
): Promise<CaseResult> {
  const figures = new Map<string, (Figure | undefined)[]>(peers.map(({ name }) => [name, []]));
  const failures = new Map<string, string[]>(peers.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const peer of rotated(peers, round)) {
      const report = (share: number): void => onProgress(peer.name, (round + share) / rounds);
      const figure = await question.measure({ peer, seconds, onProgress: report }).catch((error: unknown) => {
        failures.get(peer.name)?.push(error instanceof Error ? error.message : String(error));
        return undefined;
      });
      figures.get(peer.name)?.push(figure);
    }
  }
  const [baseline] = peers;
  const results = peers.map(({ name }) =>
    resultOf(name, {
      more: question.more,
      own: figures.get(name) ?? [],
      baseline: figures.get(baseline?.name ?? '') ?? [],
      failures: failures.get(name) ?? [],
    }),
  );
  const { name, title, unit, more } = question;
  return { name, title, unit, more, peers: results };
}

function resultOf(
  peer: string,
  {
    more,
    own,
    baseline,
    failures,
  }: {
    readonly more: boolean;
    readonly own: readonly (Figure | undefined)[];
    readonly baseline: readonly (Figure | undefined)[];
    readonly failures: readonly string[];
  },
): PeerResult {
  const ratios = own.flatMap((figure, round) => {
    const base = baseline[round];
    if (figure === undefined || base === undefined) return [];
    return [more ? figure.value / base.value : base.value / figure.value];
  });
  const kept = own.filter((figure) => figure !== undefined);
  return {
    peer,
    value: median(kept.map(({ value }) => value)) ?? Number.NaN,
    ratio: median(ratios),
    figures: kept,
    failures,
  };
}

function rotated<Item>(items: readonly Item[], by: number): readonly Item[] {
  const at = by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}

/** Undefined of nothing. */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  const lower = sorted[sorted.length % 2 === 0 ? middle - 1 : middle];
  return upper === undefined || lower === undefined ? undefined : (lower + upper) / 2;
}

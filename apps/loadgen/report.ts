import type { CaseResult, PeerResult } from './rounds.js';

const NUMBER = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/**
 * The results as a table: a line for each case, a column for each peer, as ratios to the first one, and one for the generator's
 * own load.
 */
export function tableOf(results: readonly CaseResult[]): string {
  const names = [...new Set(results.flatMap(({ peers }) => peers.map(({ peer }) => peer)))];
  const rows = [
    ['case', ...names, "generator's load"],
    ...results.map((result) => [
      `${result.title} (${result.unit})`,
      ...names.map((name) => cellOf(result, name)),
      loadOf(result),
    ]),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = rows.map(
    (row) => `| ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join(' | ')} |`,
  );
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [lines[0], rule, ...lines.slice(1)].join('\n');
}

/** What went wrong, a line each. */
export function failuresOf(results: readonly CaseResult[]): readonly string[] {
  return results.flatMap(({ title, peers }) =>
    peers.flatMap(({ peer, failures }) => failures.map((failure) => `${title}, ${peer}: ${failure}`)),
  );
}

function cellOf({ peers }: CaseResult, name: string): string {
  const result = peers.find(({ peer }) => peer === name);
  if (result === undefined) return '';
  if (Number.isNaN(result.value)) return 'failed';
  return `${NUMBER.format(result.value)}${ratioOf(result)}`;
}

function ratioOf({ ratio }: PeerResult): string {
  return ratio === undefined ? '' : ` (${ratio.toFixed(2)}x)`;
}

/** The largest share of a run in which the generator had work, and whose run that was; empty where nothing is sent. */
function loadOf({ peers }: CaseResult): string {
  const loads = peers.flatMap(({ peer, figures }) =>
    figures.map(({ details }) => ({ peer, busy: details['busy'] ?? 0 })),
  );
  const [most] = loads.toSorted((a, b) => b.busy - a.busy);
  return most === undefined || most.busy === 0
    ? ''
    : `at most ${Math.round(most.busy * 100)} % (${most.peer})`;
}

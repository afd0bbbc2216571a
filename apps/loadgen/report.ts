import type { CaseResult, PeerResult } from './rounds.js';

const NUMBER = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** The results as a table: a line for each case, a column for each peer, as ratios to the first one. */
export function tableOf(results: readonly CaseResult[]): string {
  const names = [...new Set(results.flatMap(({ peers }) => peers.map(({ peer }) => peer)))];
  const rows = [
    ['case', ...names],
    ...results.map((result) => [
      `${result.title} (${result.unit})`,
      ...names.map((name) => cellOf(result, name)),
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

import type { CaseResult } from './rounds.js';

const WIDTH = 860;
const LABEL_WIDTH = 110;
const VALUE_WIDTH = 130;
const BAR = 16;
const GAP = 6;
const GROUP_GAP = 40;
const TOP = 20;
const COLORS: Readonly<Record<string, string>> = { Aerie: '#3b6ef5' };
const OTHERS = '#9aa4b2';
const NUMBER = new Intl.NumberFormat('en', { maximumSignificantDigits: 3, notation: 'compact' });

/** The results as bars, one group for each case, on a background of its own: readable on light and dark pages. */
export function chartOf(results: readonly CaseResult[]): string {
  const groups: string[] = [];
  let top = TOP;
  for (const result of results) {
    groups.push(groupOf(result, top));
    top += heightOf(result);
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" font-family="system-ui, sans-serif" font-size="13">`,
    `<rect width="${WIDTH}" height="${top}" fill="#ffffff"/>`,
    ...groups,
    '</svg>',
    '',
  ].join('\n');
}

function heightOf({ peers }: CaseResult): number {
  return peers.length * (BAR + GAP) + GROUP_GAP;
}

function groupOf({ title, unit, more, peers }: CaseResult, top: number): string {
  const shown = peers.filter(({ value }) => Number.isFinite(value));
  const largest = Math.max(...shown.map(({ value }) => value));
  const heading = `<text x="20" y="${top + 4}" font-weight="600" fill="#111827">${escaped(title)} <tspan fill="#6b7280" font-weight="400">${escaped(unit)}, ${more ? 'more' : 'less'} is better</tspan></text>`;
  const bars = shown.map(({ peer, value }, index) => {
    const y = top + 14 + index * (BAR + GAP);
    const width = Math.max(1, (value / largest) * (WIDTH - LABEL_WIDTH - VALUE_WIDTH));
    return [
      `<text x="${LABEL_WIDTH - 10}" y="${y + 12}" text-anchor="end" fill="#374151">${escaped(peer)}</text>`,
      `<rect x="${LABEL_WIDTH}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="3" fill="${COLORS[peer] ?? OTHERS}"/>`,
      `<text x="${(LABEL_WIDTH + width + 8).toFixed(1)}" y="${y + 12}" fill="#374151">${NUMBER.format(value)}</text>`,
    ].join('');
  });
  return [heading, ...bars].join('\n');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

import { describe, expect, it } from 'vitest';
import type { Figure } from './cases.js';
import { chartOf } from './chart.js';
import { readOptions } from './options.js';
import { failuresOf, tableOf } from './report.js';
import type { CaseResult } from './rounds.js';

const run = (value: number, busy: number): Figure => ({ value, details: { busy } });

const cellsOf = (row = ''): string[] =>
  row
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());

const result: CaseResult = {
  name: 'fanout',
  title: 'Fan-out <1>',
  unit: 'deliveries/s',
  more: true,
  peers: [
    { peer: 'ws', value: 1_000, ratio: 1, figures: [run(1_000, 0.21)], failures: [] },
    {
      peer: 'Aerie',
      value: 9_400,
      ratio: 9.4,
      figures: [run(9_200, 0.874), run(9_600, 0.5)],
      failures: ['1 publications lost'],
    },
    { peer: 'Bun', value: Number.NaN, ratio: undefined, figures: [], failures: ['refused'] },
  ],
};

describe('a report', () => {
  it('is a table of figures, ratios and the most that the generator had to do', () => {
    const [head, , row] = tableOf([result]).split('\n');
    expect(cellsOf(head)).toEqual(['case', 'ws', 'Aerie', 'Bun', "generator's load"]);
    expect(cellsOf(row)).toEqual([
      'Fan-out <1> (deliveries/s)',
      '1,000 (1.00x)',
      '9,400 (9.40x)',
      'failed',
      'at most 87 % (Aerie)',
    ]);
  });

  it('tells what went wrong, and where', () => {
    expect(failuresOf([result])).toEqual([
      'Fan-out <1>, Aerie: 1 publications lost',
      'Fan-out <1>, Bun: refused',
    ]);
  });

  it('is a chart with a bar for each peer that has a figure', () => {
    const svg = chartOf([result]);
    expect(svg).toContain('Fan-out &lt;1&gt;');
    expect(svg.match(/rx="3"/g)).toHaveLength(2);
  });
});

describe('the options of the benchmark', () => {
  it('ask everything three times by default', () => {
    expect(readOptions([])).toEqual({
      cases: [],
      peers: [],
      rounds: 3,
      seconds: 3,
      out: undefined,
      curves: false,
    });
  });

  it('take several cases and peers', () => {
    const options = readOptions(['--case', 'a', '--case', 'b', '--peer', 'ws', '--rounds', '5']);
    expect(options).toMatchObject({ cases: ['a', 'b'], peers: ['ws'], rounds: 5 });
  });

  it.each([['--rounds', '0'], ['--seconds', 'x'], ['--nothing']])(
    'are refused with the usage: %s',
    (...argv) => {
      expect(() => readOptions(argv)).toThrow(/npm run bench/);
    },
  );
});

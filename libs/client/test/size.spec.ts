import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';
import { describe, expect, it } from 'vitest';

const CLIENT = fileURLToPath(new URL('..', import.meta.url));
const ENTRY = '\0entry';
/** The entries of the application's own bundle; they are not part of ours. */
const OTHERS = ['react'];

/** The rows of the table in the README: the entries that are imported, and how many kB they may have. */
const BUDGETS = readFileSync(`${CLIENT}README.md`, 'utf8')
  .split('\n## Size\n')[1]
  ?.split('\n## ')[0]
  ?.split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => {
    const [, entries = '', kilobytes = ''] = line.split('|');
    return [entries.match(/[^`]*@aerie[^`]*/g) ?? [], Number(kilobytes.trim().split(' ')[0])] as const;
  });

/** Bytes of everything that these entries export, in one bundle, minified, by `gzip -9`. */
async function sizeOf(entries: readonly string[]): Promise<number> {
  const code = entries.map((entry) => `export * from '${entry}';`).join('\n');
  const bundle = await rolldown({
    input: ENTRY,
    cwd: CLIENT,
    external: OTHERS,
    tsconfig: false,
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => (id === ENTRY ? `${CLIENT}entry.js` : undefined),
        load: (id) => (id === `${CLIENT}entry.js` ? code : undefined),
      },
    ],
    resolve: {
      conditionNames: ['@aerie/source', 'import', 'default'],
      extensionAlias: { '.js': ['.ts', '.tsx', '.js'] },
    },
    transform: { target: 'es2024' },
  });
  try {
    const { output } = await bundle.generate({ format: 'esm', minify: true });
    return output.reduce(
      (bytes, file) => bytes + ('code' in file ? gzipSync(file.code, { level: 9 }).length : 0),
      0,
    );
  } finally {
    await bundle.close();
  }
}

describe('the size of a bundle', () => {
  it('is told for each entry', () => {
    const { exports } = JSON.parse(readFileSync(`${CLIENT}package.json`, 'utf8')) as { exports: object };
    const names = Object.keys(exports).filter((name) => name !== './package.json');
    const told = new Set(BUDGETS?.flatMap(([entries]) => entries));
    expect([...told].sort()).toEqual(names.map((name) => name.replace('.', '@aerie/client')).sort());
  });

  it.each(BUDGETS ?? [])('of %j is at most %d kB', async (entries, kilobytes) => {
    const bytes = await sizeOf(entries);
    expect(bytes).toBeLessThanOrEqual(kilobytes * 1_000);
    // A budget that nobody comes near holds nothing.
    expect(bytes).toBeGreaterThan((kilobytes - 0.2) * 1_000);
  });
});

import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { CLOSE, closeAdvice, ERROR_STATUS, LIMITS, SYSTEM } from '@aerie/protocol';
import { OPERATIONS } from '@aerie/realtime/api';
import { RULES } from '@aerie/realtime/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PAGES = markdownFiles();
const protocol = read('docs/wire-protocol.md');
const hooks = read('docs/hooks.md');

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

function markdownFiles(): readonly string[] {
  const known = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return known.split('\n').filter((path) => path !== '' && existsSync(join(ROOT, path)));
}

/** The cells of the rows in the section under a heading, without the table's head, without code marks. */
function rowsUnder(heading: string, page: string): readonly (readonly string[])[] {
  const section = page.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  const rows = section
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
  return rows.slice(2);
}

function proseOf(page: string): string {
  return page.replaceAll(/^```[\s\S]*?^```$/gm, '').replaceAll(/`[^`\n]*`/g, '');
}

/** The anchors that a page's headings have on GitHub. */
function anchorsOf(page: string): ReadonlySet<string> {
  const headings = [...page.replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.*)$/gm)];
  return new Set(
    headings.map(([, text = '']) =>
      text
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

function brokenLinks(path: string): readonly string[] {
  const links = [...proseOf(read(path)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return links.filter((link) => !/^[a-z]+:/.test(link) && !resolves(path, link));
}

function resolves(path: string, link: string): boolean {
  const [file = '', anchor] = link.split('#');
  const target = file === '' ? join(ROOT, path) : resolve(ROOT, dirname(path), file);
  if (!existsSync(target)) return false;
  return anchor === undefined || anchorsOf(readFileSync(target, 'utf8')).has(anchor);
}

/** The code block of a page that begins with this comment. */
function snippet(page: string, language: string, title: string): string {
  const code = page.split(`\`\`\`${language}\n${title}\n`)[1]?.split('\n```')[0];
  if (code === undefined) throw new Error(`no ${title}`);
  return `${code}\n`;
}

describe('the documentation', () => {
  it.each(PAGES)('%s has no link that leads nowhere', (path) => {
    expect(brokenLinks(path)).toEqual([]);
  });
});

describe('the wire protocol page', () => {
  it('lists every error code with its HTTP status', () => {
    const listed = rowsUnder('Errors', protocol).map(([code, status]) => [code, Number(status)]);
    expect(listed).toEqual(Object.entries(ERROR_STATUS));
  });

  it('lists every way in which the server closes, with its code, reason and advice', () => {
    const advice = [
      ['stop', /^stop$/],
      ['back-off', /^reconnect with back-off$/],
      ['renew', /^get a new token, then reconnect$/],
      ['reconnect', /^reconnect(, after \$reconnect)?$/],
    ] as const;
    const listed = rowsUnder('Closing', protocol).map(([code, reason, , does = '']) => ({
      code: Number(code),
      reason,
      advice: advice.find(([, words]) => words.test(does))?.[0] ?? does,
    }));
    const known = Object.values(CLOSE).map(({ code, reason }) => ({
      code,
      reason,
      advice: closeAdvice(code),
    }));
    expect(listed).toEqual(known);
  });

  it('lists every limit with its value', () => {
    const listed = rowsUnder('Limits', protocol).map(([name, value]) => [name, Number(value)]);
    expect(listed).toEqual(Object.entries(LIMITS));
  });

  it('lists every rule that the conformance suite tests, in its words', () => {
    const listed = rowsUnder('Rules', protocol).map(([name, says]) => [name, says]);
    expect(listed).toEqual(RULES.map(({ name, says }) => [name, says]));
    expect(new Set(RULES.map(({ name }) => name)).size).toBe(RULES.length);
  });

  it('names every event of the system', () => {
    for (const event of Object.values(SYSTEM)) expect(protocol.includes(`\`${event}\``), event).toBe(true);
  });
});

describe('the server API page', () => {
  it('lists every operation with its method, scope and fields', () => {
    const rows = read('docs/server-api.md')
      .split('\n')
      .filter((line) => /^\| `(GET|POST) /.test(line))
      .map((line) => line.split('|').map((cell) => cell.trim()));
    const operations = OPERATIONS.map(({ method, name, scope }) => [
      `\`${method} /api/${name}\``,
      `\`${scope}\``,
    ]);
    expect(new Set(rows.map(([, call, scope]) => `${call} ${scope}`))).toEqual(
      new Set(operations.map((row) => row.join(' '))),
    );
    for (const { method, name, input } of OPERATIONS) {
      const takes = rows.find(([, call]) => call === `\`${method} /api/${name}\``)?.[3] ?? '';
      for (const field of Object.keys(input.shape)) expect(takes).toContain(field);
    }
  });
});

describe('the signature checks of the hooks page', () => {
  const secret = 'the-hooks-secret';
  const body = '{"hook":"message","user":"Zoë"}';
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'aerie-docs-'));
    writeFileSync(join(folder, 'verify-hook.mjs'), snippet(hooks, 'js', '// verify-hook.mjs'));
    writeFileSync(join(folder, 'verify_hook.py'), snippet(hooks, 'python', '# verify_hook.py'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  function headers(ageSeconds = 0, key = secret): Record<string, string> {
    const timestamp = String(Math.floor(Date.now() / 1_000) - ageSeconds);
    const signature = createHmac('sha256', key).update(`${timestamp}.${body}`).digest('hex');
    return { 'aerie-timestamp': timestamp, 'aerie-signature': `v1=${signature}` };
  }

  const calls = [
    ['takes a call of the gateway', true, headers()],
    ['refuses one that is older than five minutes', false, headers(301)],
    ['refuses one signed with another secret', false, headers(0, 'another')],
    ['refuses one without a signature', false, { 'aerie-timestamp': headers()['aerie-timestamp'] ?? '' }],
    ['refuses one without headers', false, {}],
  ] as const;

  it.each(calls)('in Node %s', async (_what, good, given) => {
    const { isFromAerie } = (await import(pathToFileURL(join(folder, 'verify-hook.mjs')).href)) as {
      isFromAerie: (headers: object, body: string, secret: string) => boolean;
    };
    expect(isFromAerie(given, body, secret)).toBe(good);
  });

  it.each(calls)('in Python %s', (_what, good, given) => {
    const program =
      'import json, sys, verify_hook as v; h, b, s = json.load(sys.stdin); print(v.is_from_aerie(h, b.encode(), s))';
    const said = execFileSync('python3', ['-B', '-c', program], {
      cwd: folder,
      input: JSON.stringify([given, body, secret]),
      encoding: 'utf8',
    });
    expect(said.trim()).toBe(good ? 'True' : 'False');
  });
});

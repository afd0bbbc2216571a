import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CProgram } from './c-program.js';

const LONG_AGO = new Date(0);

let folder: string;
let program: CProgram;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'c-program-'));
  program = new CProgram(basename(folder), folder);
  writeFileSync(join(folder, 'said.h'), '#define SAID "one"\n');
  writeFileSync(
    join(folder, 'main.c'),
    '#include <stdio.h>\n#include "said.h"\nint main(void) { return puts(SAID) < 0; }\n',
  );
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  rmSync(program.binary, { force: true });
});

const said = (): string => execFileSync(program.binary, { encoding: 'utf8' }).trim();

describe('a C program', () => {
  it('is compiled once, and again after a source or a header changed', () => {
    for (const name of readdirSync(folder)) utimesSync(join(folder, name), LONG_AGO, LONG_AGO);
    program.compile();
    const { ino } = statSync(program.binary);
    program.compile();
    expect(statSync(program.binary).ino).toBe(ino);
    utimesSync(program.binary, LONG_AGO, LONG_AGO);
    writeFileSync(join(folder, 'said.h'), '#define SAID "two"\n');
    program.compile();
    expect(said()).toBe('two');
  });

  it('is refused for a warning, with what the compiler says, and nothing is left of it', () => {
    writeFileSync(join(folder, 'more.c'), 'static void unused(void) {}\n');
    expect(() => program.compile()).toThrow(/cc failed:[^]*unused/);
    expect(readdirSync(dirname(program.binary)).filter((name) => name.includes(basename(folder)))).toEqual(
      [],
    );
  });
});

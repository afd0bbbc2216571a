import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CACHE, ROOT } from './root.js';

const FLAGS = ['-O2', '-Wall', '-Wextra', '-Werror', '-D_GNU_SOURCE'];

/** A program of the benchmark that is compiled from all the C sources of one folder. */
export class CProgram {
  /** Where it is once it is compiled. */
  readonly binary: string;
  readonly #sources: string;

  /** `sources` is a folder of `apps/loadgen`. */
  constructor(name: string, sources: string) {
    this.binary = join(CACHE, name);
    this.#sources = resolve(ROOT, 'apps/loadgen', sources);
  }

  /** Compiles it unless that was done since its sources changed. Throws with the compiler's words, or with how to get one. */
  compile(): void {
    const sources = readdirSync(this.#sources).map((name) => join(this.#sources, name));
    const compiledAt = statSync(this.binary, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (sources.every((source) => statSync(source).mtimeMs < compiledAt)) return;
    mkdirSync(CACHE, { recursive: true });
    // Several processes may want it at once; none may find half of it.
    const unfinished = `${this.binary}.${randomUUID()}`;
    const units = sources.filter((source) => source.endsWith('.c'));
    const { status, stderr } = spawnSync(compiler(), [...FLAGS, '-o', unfinished, ...units], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`cc failed:\n${stderr}`);
    renameSync(unfinished, this.binary);
  }
}

/** The path of a C compiler, installed where it was missing. */
function compiler(): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts/c-compiler.mjs')], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return stdout.trim();
}

/** The compiler of the load generator. `node scripts/c-compiler.mjs` prints its path. */
import { ensureProgram } from './program.mjs';

const CC = {
  name: 'a C compiler',
  binaries: ['cc', 'gcc', 'clang'],
  packages: { 'apt-get': 'build-essential', apk: 'build-base', dnf: 'gcc' },
};

try {
  process.stdout.write(`${ensureProgram(CC)}\n`);
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

/** A Python that has the package `websockets`, for the example in examples/python. */
import { spawnSync } from 'node:child_process';
import { ensureProgram } from './program.mjs';

const PYTHON = {
  name: 'a Python with websockets',
  binaries: ['python3', 'python'],
  works: (path) => spawnSync(path, ['-c', 'import websockets'], { stdio: 'ignore' }).status === 0,
  packages: { 'apt-get': 'python3-websockets', apk: 'py3-websockets', dnf: 'python3-websockets' },
};

/** The path of such a Python, installed first if it is missing. Throws with what to do where that fails. */
export const ensurePythonWithWebSockets = () => ensureProgram(PYTHON);

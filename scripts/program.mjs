/**
 * Finds a program of the system's, and installs it with the system's package manager where that is possible. No service is
 * left running or enabled.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

// Debian keeps servers out of the PATH of those who are not root.
const EXTRA_FOLDERS = ['/usr/local/bin', '/usr/bin', '/usr/sbin', '/opt/homebrew/bin'];
const INSTALL_TIMEOUT_MS = 300_000;

// Debian starts and enables a package's service unless policy-rc.d says no.
const APT = `set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > "$policy"
  chmod +x "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "$@"
if [ -d /run/systemd/system ]; then systemctl disable --now "$@" 2>/dev/null || true; fi`;

const PACKAGE_MANAGERS = [
  { name: 'apt-get', script: APT, root: true },
  { name: 'apk', script: 'apk add --no-cache "$@"', root: true },
  { name: 'dnf', script: 'dnf install -y "$@"', root: true },
  { name: 'brew', script: 'brew install "$@"', root: false },
];

/** The path of the first of `program.binaries` that there is, and that `works` says yes to; or undefined. */
export function findProgram({ binaries, works = () => true }) {
  return binaries.flatMap(pathsOf).find(works);
}

/** The same, installed first if it is missing. Throws with what to do where that fails. */
export function ensureProgram(program) {
  const found = findProgram(program);
  if (found !== undefined) return found;
  const manager = PACKAGE_MANAGERS.find(({ name }) => findOnPath(name) !== undefined);
  const wanted = manager === undefined ? undefined : program.packages[manager.name];
  if (wanted === undefined) throw missing(program, 'no known package manager');
  const problem = install(program.name, { manager, wanted });
  const installed = findProgram(program);
  if (installed === undefined) throw missing(program, problem);
  return installed;
}

function install(name, { manager, wanted }) {
  const command = ['sh', '-c', manager.script, 'sh', wanted];
  const shell = manager.root ? asRoot(command) : command;
  if (shell === undefined) return `${manager.name} needs root or a sudo without password`;
  process.stderr.write(`${name} is missing: installing it with ${manager.name}\n`);
  const [file, ...args] = shell;
  const run = spawnSync(file, args, {
    encoding: 'utf8',
    timeout: INSTALL_TIMEOUT_MS,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return run.status === 0
    ? `${manager.name} installed no ${name}`
    : `${manager.name} failed: ${lastLines(run)}`;
}

function asRoot(command) {
  if (process.getuid?.() === 0) return command;
  const sudo = findOnPath('sudo');
  if (sudo === undefined) return undefined;
  const allowed = spawnSync(sudo, ['-n', 'true'], { stdio: 'ignore' }).status === 0;
  return allowed ? [sudo, '-n', ...command] : undefined;
}

function lastLines({ stderr, stdout, error }) {
  return (stderr?.trim() || stdout?.trim() || error?.message || 'no output')
    .split('\n')
    .slice(-3)
    .join(' | ');
}

function findOnPath(binary) {
  return pathsOf(binary)[0];
}

function pathsOf(binary) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...EXTRA_FOLDERS];
  return folders.map((folder) => join(folder, binary)).filter(isExecutable);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function missing({ name, packages, otherwise = '' }, problem) {
  const commands = [
    ['Debian, Ubuntu', 'sudo apt-get install', packages['apt-get']],
    ['Alpine', 'sudo apk add', packages.apk],
    ['Fedora', 'sudo dnf install', packages.dnf],
    ['macOS', 'brew install', packages.brew],
  ];
  const lines = commands
    .filter(([, , wanted]) => wanted !== undefined)
    .map(([system, command, wanted]) => `  ${system.padEnd(16)} ${command} ${wanted}`);
  return new Error(
    `${name} is needed and could not be installed (${problem}). Install it, then run this again:\n${lines.join('\n')}${otherwise}`,
  );
}

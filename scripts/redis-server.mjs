/**
 * Finds a `redis-server` (or `valkey-server`) binary, and installs one with the system's package manager where that is
 * possible. `node scripts/redis-server.mjs` prints its path. No service is left running or enabled.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const BINARIES = ['redis-server', 'valkey-server'];
const EXTRA_FOLDERS = ['/usr/local/bin', '/usr/bin', '/opt/homebrew/bin'];
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
apt-get install -y -qq --no-install-recommends redis-server
if [ -d /run/systemd/system ]; then systemctl disable --now redis-server || true; fi`;

const PACKAGE_MANAGERS = [
  { name: 'apt-get', script: APT, root: true },
  { name: 'apk', script: 'apk add --no-cache redis', root: true },
  { name: 'dnf', script: 'dnf install -y redis || dnf install -y valkey', root: true },
  { name: 'brew', script: 'brew install redis', root: false },
];

/** The path of a Redis server binary, or undefined. */
export function findRedisServer() {
  for (const binary of BINARIES) {
    const path = findOnPath(binary);
    if (path !== undefined) return path;
  }
  return undefined;
}

/** The path of a Redis server binary, installed first if it is missing. Throws with what to do where that fails. */
export function ensureRedisServer() {
  const found = findRedisServer();
  if (found !== undefined) return found;
  const manager = PACKAGE_MANAGERS.find(({ name }) => findOnPath(name) !== undefined);
  if (manager === undefined) throw missing('no known package manager');
  const problem = install(manager);
  const installed = findRedisServer();
  if (installed === undefined) throw missing(problem);
  return installed;
}

function install({ name, script, root }) {
  const shell = root ? asRoot(['sh', '-c', script]) : ['sh', '-c', script];
  if (shell === undefined) return `${name} needs root or a sudo without password`;
  process.stderr.write(`redis-server is missing: installing it with ${name}\n`);
  const [command, ...args] = shell;
  const run = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: INSTALL_TIMEOUT_MS,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return run.status === 0 ? `${name} installed no redis-server` : `${name} failed: ${lastLines(run)}`;
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
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...EXTRA_FOLDERS];
  return folders.map((folder) => join(folder, binary)).find(isExecutable);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function missing(problem) {
  return new Error(
    `A Redis server is needed and could not be installed (${problem}). Install one, then run this again:
  Debian, Ubuntu   sudo apt-get install redis-server
  Alpine           sudo apk add redis
  Fedora           sudo dnf install redis
  macOS            brew install redis
or point REDIS_URL at a running Redis 6.2 or newer.`,
  );
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    process.stdout.write(`${ensureRedisServer()}\n`);
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}

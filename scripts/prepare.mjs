// Runs before `npm start` and `npm test`, with whatever Node the machine has and before anything is installed: no
// dependencies, and no syntax that Node 20 lacks. Silent when there is nothing to do.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const OLDEST_NODE = [20, 19];
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const LOCKFILE = join(ROOT, 'package-lock.json');
const MODULES = join(ROOT, 'node_modules');
const LOCK_STAMP = join(MODULES, '.aerie-lock');
const BUILD_STAMP = join(ROOT, 'dist', '.aerie-build');
const BUILD_OUTPUTS = [
  'libs/protocol/dist/index.js',
  'libs/client/dist/index.js',
  'libs/realtime/dist/index.js',
  'dist/apps/gateway/main.js',
];
const BUILD_CONFIGURATION = ['package.json', 'package-lock.json', 'nest-cli.json', 'tsconfig.base.json'];
const NOT_SOURCES = /(^|\/)(node_modules|dist)(\/|$)|\.spec\.ts$/;

refuseOldNode();
install();
if (process.argv.includes('--build')) build();
if (process.argv.includes('--redis')) await ensure('redis-server.mjs', 'ensureRedisServer');
if (process.argv.includes('--chromium')) await ensure('chromium.mjs', 'ensureChromium');
if (process.argv.includes('--nginx')) await ensure('nginx.mjs', 'ensureNginx');
if (process.argv.includes('--python')) await ensure('python-websockets.mjs', 'ensurePythonWithWebSockets');

function refuseOldNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_NODE;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  fail(
    `Aerie needs Node ${OLDEST_NODE.join('.')} or newer to install itself; this is ${process.versions.node}.`,
  );
}

function install() {
  const wanted = sha256(readFileSync(LOCKFILE));
  const stamped = existsSync(LOCK_STAMP) && readFileSync(LOCK_STAMP, 'utf8') === wanted;
  if (stamped && existsSync(pinnedNode())) return;
  if (!installedByHand()) installDependencies();
  writeFileSync(LOCK_STAMP, wanted);
}

function installDependencies() {
  console.log('Installing dependencies.');
  // With NODE_ENV=production npm would leave out what the build needs.
  runNpm(['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']);
  if (existsSync(pinnedNode())) return;
  fail(
    'The pinned Node is missing from node_modules/.bin: allow install scripts (npm config ignore-scripts) and try again.',
  );
}

/** npm writes its hidden lockfile last: younger than ours, it tells of a complete `npm ci` that somebody ran. */
function installedByHand() {
  const hidden = join(MODULES, '.package-lock.json');
  return (
    existsSync(hidden) && existsSync(pinnedNode()) && statSync(hidden).mtimeMs >= statSync(LOCKFILE).mtimeMs
  );
}

function pinnedNode() {
  return join(MODULES, '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
}

function build() {
  const wanted = hashOfSources();
  if (existsSync(BUILD_STAMP) && readFileSync(BUILD_STAMP, 'utf8') === wanted && isBuilt()) return;
  console.log('Building.');
  rmSync(BUILD_STAMP, { force: true });
  runNpm(['run', '--silent', 'build']);
  if (!isBuilt()) fail(`The build left no ${BUILD_OUTPUTS.find((path) => !existsSync(join(ROOT, path)))}.`);
  writeFileSync(BUILD_STAMP, wanted);
}

function isBuilt() {
  return BUILD_OUTPUTS.every((path) => existsSync(join(ROOT, path)));
}

function hashOfSources() {
  const hash = createHash('sha256');
  const paths = [...filesUnder('libs'), ...filesUnder('apps'), ...BUILD_CONFIGURATION];
  for (const path of paths.sort((one, other) => (one < other ? -1 : 1))) {
    hash
      .update(path)
      .update('\0')
      .update(readFileSync(join(ROOT, path)))
      .update('\0');
  }
  return hash.digest('hex');
}

/** Paths relative to the repository, with `/`, without build outputs and specs. */
function filesUnder(folder) {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      relative(ROOT, join(entry.parentPath ?? entry.path, entry.name))
        .split(sep)
        .join('/'),
    )
    .filter((path) => !NOT_SOURCES.test(path));
}

async function ensure(script, program) {
  const programs = await import(`./${script}`);
  try {
    programs[program]();
  } catch (error) {
    fail(error.message);
  }
}

function runNpm(args) {
  const { status, error } = spawnSync('npm', args, {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, PATH: pathWithoutModules() },
    shell: process.platform === 'win32',
  });
  if (error) fail(`npm could not be started: ${error.message}`);
  if (status !== 0) fail(`npm ${args.join(' ')} failed.`);
}

/** npm deletes node_modules first: it must not run on the Node that lies in there. */
function pathWithoutModules() {
  const modules = join('node_modules', '.bin');
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter((entry) => !entry.endsWith(modules))
    .join(delimiter);
}

function sha256(content) {
  return createHash('sha256').update(content).digest('hex');
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

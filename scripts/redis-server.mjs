/** The Redis server of the tests and benchmarks. `node scripts/redis-server.mjs` prints its path. */
import { pathToFileURL } from 'node:url';
import { ensureProgram, findProgram } from './program.mjs';

const REDIS = {
  name: 'redis-server',
  binaries: ['redis-server', 'valkey-server'],
  packages: { 'apt-get': 'redis-server', apk: 'redis', dnf: 'valkey', brew: 'redis' },
  otherwise: '\nor point REDIS_URL at a running Redis 6.2 or newer.',
};

/** The path of a Redis server binary, or undefined. */
export const findRedisServer = () => findProgram(REDIS);

/** The path of a Redis server binary, installed first if it is missing. Throws with what to do where that fails. */
export const ensureRedisServer = () => ensureProgram(REDIS);

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    process.stdout.write(`${ensureRedisServer()}\n`);
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}

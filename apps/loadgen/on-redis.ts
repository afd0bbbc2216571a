import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { Peer } from './peers.js';
import { ROOT } from './root.js';
import { ServerProcess } from './server-process.js';

/** Asks several servers of a peer on one Redis, all of which end with the answer. */
export async function onRedis<Answer>(
  { server }: Peer,
  count: number,
  ask: (ports: readonly number[]) => Promise<Answer>,
): Promise<Answer> {
  const redis = await ServerProcess.start({
    command: [redisServer(), ...'--port {port} --bind 127.0.0.1 --appendonly no --save'.split(' '), ''],
  });
  const started: ServerProcess[] = [];
  try {
    const env = { ...server.env, REDIS_URL: `redis://127.0.0.1:${redis.port}` };
    for (let each = 0; each < count; each += 1) started.push(await ServerProcess.start({ ...server, env }));
    return await ask(started.map(({ port }) => port));
  } finally {
    for (const each of started) await each.stop();
    await redis.stop();
  }
}

/** The path of a Redis server, installed where it was missing. */
function redisServer(): string {
  return execFileSync(process.execPath, [join(ROOT, 'scripts/redis-server.mjs')], {
    encoding: 'utf8',
  }).trim();
}

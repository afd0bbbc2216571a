import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { type Case, fan, figureOf } from './cases.js';
import { ServerProcess } from './server-process.js';
import { ROOT } from './root.js';

export interface CrossPodOptions {
  /** Default 2. */
  readonly servers?: number;
  /** Default 1,000. */
  readonly receivers?: number;
  /** Publications under way. Default 8. */
  readonly window?: number;
  /** Default Socket.IO and Aerie. */
  readonly among?: readonly string[];
}

/** A channel whose subscribers are spread over several servers on one Redis; its publisher is on the first of them. */
export function crossPod(
  name: string,
  title: string,
  { servers = 2, receivers = 1_000, window = 8, among = ['Socket.IO', 'Aerie'] }: CrossPodOptions = {},
): Case {
  return {
    name,
    title,
    unit: 'deliveries/s',
    more: true,
    among,
    measure: async (run) => {
      const redis = await ServerProcess.start({
        command: [
          redisServer(),
          '--port',
          '{port}',
          '--bind',
          '127.0.0.1',
          '--save',
          '',
          '--appendonly',
          'no',
        ],
      });
      const started: ServerProcess[] = [];
      try {
        const { server } = run.peer;
        const env = { ...server.env, REDIS_URL: `redis://127.0.0.1:${redis.port}` };
        for (let count = 0; count < servers; count += 1)
          started.push(await ServerProcess.start({ ...server, env }));
        const ports = started.map(({ port }) => port);
        return figureOf(await fan(run, ports, { receivers, window }), 'perSecond');
      } finally {
        for (const each of started) await each.stop();
        await redis.stop();
      }
    },
  };
}

/** The path of a Redis server, installed where it was missing. */
function redisServer(): string {
  return execFileSync(process.execPath, [join(ROOT, 'scripts/redis-server.mjs')], {
    encoding: 'utf8',
  }).trim();
}

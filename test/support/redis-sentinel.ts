import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.js';
import { killProcess, launchRedis } from './redis-server.js';

export interface RedisSentinel {
  readonly port: number;
  /** SIGSTOP. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

/** A lone Sentinel that watches the primary on `primaryPort` under the name `main` and fails over within seconds. */
export async function startSentinel(primaryPort: number): Promise<RedisSentinel> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'aerie-sentinel-'));
  const file = join(folder, 'sentinel.conf');
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor main 127.0.0.1 ${primaryPort} 1`,
    'sentinel down-after-milliseconds main 500',
    'sentinel failover-timeout main 2000',
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  const child = await launchRedis(port, [file, '--sentinel']);
  return {
    port,
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    stop: async () => {
      await killProcess(child);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

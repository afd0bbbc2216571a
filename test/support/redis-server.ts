import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ensureRedisServer } from '../../scripts/redis-server.mjs';
import { freePort } from './free-port.js';

export interface RedisServerOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** More arguments of `redis-server`, such as `['--requirepass', 'x']`. */
  readonly args?: readonly string[];
}

/** A real Redis of its own, without persistence, on 127.0.0.1. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Changes with every `restart()`. */
  readonly pid: number;
  /** Ends it and removes its folder. Idempotent. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when it is gone. `restart()` brings it back. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open, nothing is answered. */
  pause(): void;
  resume(): void;
  /** A new, empty process on the same port; ends the old one first if it still runs. */
  restart(): Promise<void>;
}

const READY_WITHIN_MS = 10_000;

/** Those that run; none outlives this process. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const port = options.port ?? (await freePort());
  const folder = await mkdtemp(join(tmpdir(), 'aerie-redis-'));
  const network = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder];
  const args = [
    ...network,
    '--save',
    '',
    '--appendonly',
    'no',
    '--loglevel',
    'warning',
    ...(options.args ?? []),
  ];
  let child = await launchRedis(port, args);
  const kill = (): Promise<void> => killProcess(child);
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    get pid() {
      return child.pid ?? 0;
    },
    kill,
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    restart: async () => {
      await kill();
      child = await launchRedis(port, args);
    },
    stop: async () => {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Starts the binary and waits until it answers on `port`. It ends with this process at the latest. */
export async function launchRedis(port: number, args: readonly string[]): Promise<ChildProcess> {
  const child = spawn(ensureRedisServer(), args, { stdio: 'ignore' });
  running.add(child);
  child.once('exit', () => running.delete(child));
  const deadline = Date.now() + READY_WITHIN_MS;
  while (!(await answersPing(port))) {
    if (child.exitCode !== null)
      throw new Error(`redis-server ended with code ${child.exitCode} on port ${port}`);
    if (Date.now() > deadline) {
      await killProcess(child);
      throw new Error(`redis-server did not answer on port ${port} within ${READY_WITHIN_MS} ms`);
    }
    await sleep(20);
  }
  return child;
}

/** SIGKILL; resolves when the process is gone. */
export async function killProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

// A server with a password answers NOAUTH, which is an answer too; LOADING is not.
function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    const finish = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('data', (data) => finish(data.includes('PONG') || data.includes('NOAUTH')));
    socket.once('error', () => finish(false));
    socket.setTimeout(1_000, () => finish(false));
  });
}

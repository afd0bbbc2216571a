import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { pinned } from './engine.js';

const BOOT_MS = 30_000;
const POLL_MS = 20;

/** `[123:0x…]  45 ms: Scavenge 12.5 (16.0) -> 4.2 (17.0) MB, …`: what V8 prints of each collection with `--trace-gc`. */
const COLLECTION = /: (?:Scavenge|Mark-Compact|Minor Mark-Sweep).*? ([\d.]+) \([\d.]+\) -> ([\d.]+) \(/;

export interface ServerCommand {
  /** The program and its arguments; `{port}` stands for its port, which is `PORT` in its environment, too. */
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A server of the benchmark, in a process of its own on a free port. */
export class ServerProcess {
  readonly #child: ChildProcess;
  #allocatedMb = 0;
  #liveMb: number | undefined;

  private constructor(
    child: ChildProcess,
    readonly port: number,
  ) {
    this.#child = child;
    if (child.stdout !== null)
      createInterface({ input: child.stdout }).on('line', (line) => this.#hear(line));
  }

  /** Starts it and resolves once it takes connections. */
  static async start({ command, env }: ServerCommand, cpu?: number): Promise<ServerProcess> {
    const port = await freePort();
    const [file = '', ...args] = pinned(
      cpu,
      command.map((argument) => argument.replace('{port}', String(port))),
    );
    const child = spawn(file, args, {
      env: {
        PATH: process.env['PATH'],
        NODE_ENV: 'production',
        PORT: String(port),
        INTERNAL_PORT: String(await freePort(port)),
        HOST: '127.0.0.1',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2_000)));
    for (const deadline = Date.now() + BOOT_MS; !(await answers(port)); await sleep(POLL_MS))
      if (child.exitCode !== null || Date.now() > deadline) {
        child.kill('SIGKILL');
        throw new Error(`${command.join(' ')} did not start:\n${said}`);
      }
    return new ServerProcess(child, port);
  }

  /** Bytes of heap that it has allocated and collected again, where it runs with `--trace-gc`. */
  get allocatedBytes(): number {
    return this.#allocatedMb * 1_048_576;
  }

  #hear(line: string): void {
    const [, before, after] = COLLECTION.exec(line) ?? [];
    if (before === undefined || after === undefined) return;
    if (this.#liveMb !== undefined) this.#allocatedMb += Math.max(0, Number(before) - this.#liveMb);
    this.#liveMb = Number(after);
  }

  /** Resident bytes. */
  get residentBytes(): number {
    const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.#child.pid ?? 0}/status`, 'utf8')) ?? [];
    return Number(kib) * 1_024;
  }

  /** Seconds of CPU that it has used. */
  get cpuSeconds(): number {
    const fields = readFileSync(`/proc/${this.#child.pid ?? 0}/stat`, 'utf8')
      .split(') ')
      .at(-1)
      ?.split(' ');
    return (Number(fields?.[11]) + Number(fields?.[12])) / 100;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}

/** A port of loopback that nobody has at this moment, and another one than `taken`. */
export async function freePort(taken?: number): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port === taken ? freePort(taken) : address.port;
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
  const open = await promise;
  socket.destroy();
  return open;
}

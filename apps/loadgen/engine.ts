import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { CProgram } from './c-program.js';

const ENGINE = new CProgram('loadgen', 'engine');
/** A generator that works for more than this share of the time may be what was measured. */
export const BUSY_LIMIT = 0.9;

/** What the generator saw in the measured span. */
export interface Measured {
  readonly seconds: number;
  readonly deliveries: number;
  readonly perSecond: number;
  readonly publications: number;
  /** Publications that did not reach everyone. */
  readonly lost: number;
  readonly outOfOrder: number;
  /** Deliveries of something that nobody was owed: doubles. */
  readonly foreign: number;
  /** Connections that the server ended. */
  readonly closed: number;
  /** Attempts to come back that failed and were made again. */
  readonly retries: number;
  /** The share of the span in which the generator had work to do. */
  readonly busy: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
  /** From a publication to its receivers, while some of them are away. */
  readonly arrivalP50Us: number;
  readonly arrivalP99Us: number;
  readonly probeP50Us: number;
  readonly probeP99Us: number;
  readonly probeMaxUs: number;
}

export type EngineMode = 'fanout' | 'echo' | 'connect' | 'idle' | 'return';
export type EngineArguments = readonly (readonly [name: string, value: string | number])[];

/** Compiles the generator unless that was done since its sources changed. Throws where no C compiler can be had. */
export function compileEngine(): void {
  ENGINE.compile();
}

/** Runs the generator to its end. `cpu` is where it runs, `onProgress` hears of 0 to 1. */
export async function runEngine(
  mode: EngineMode,
  plan: EngineArguments,
  { cpu, onProgress }: { cpu?: number | undefined; onProgress?: (share: number) => void } = {},
): Promise<Measured> {
  const child = spawnEngine(mode, plan, cpu);
  let output = '';
  const complaints: string[] = [];
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  createInterface({ input: child.stderr }).on('line', (line) => {
    const [, share] = /^progress (\S+)$/.exec(line) ?? [];
    if (share === undefined) complaints.push(line);
    else onProgress?.(Number(share));
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(complaints.slice(-3).join('; ') || `the generator ended with ${code}`);
  return JSON.parse(output) as Measured;
}

/** Opens connections and holds them until `release` is called. */
export async function holdConnections(
  plan: EngineArguments,
  cpu?: number,
): Promise<{ release: () => Promise<void> }> {
  const child = spawnEngine('idle', plan, cpu);
  const complaints: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (!line.startsWith('progress')) complaints.push(line);
  });
  const closed = once(child, 'close');
  const opened = await Promise.race([once(child.stdout, 'data').then(() => true), closed.then(() => false)]);
  if (!opened) throw new Error(complaints.slice(-3).join('; ') || 'the connections could not be opened');
  return {
    release: async () => {
      child.stdin.end();
      await closed;
    },
  };
}

function spawnEngine(mode: EngineMode, plan: EngineArguments, cpu: number | undefined) {
  const engine = [mode, ...plan.flatMap(([name, value]) => [`--${name}`, String(value)])];
  const [file = '', ...args] = pinned(cpu, [ENGINE.binary, ...engine]);
  return spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] });
}

/** A command on one CPU, where the machine has `taskset`. */
export function pinned(cpu: number | undefined, command: readonly string[]): readonly string[] {
  return cpu === undefined || !HAS_TASKSET ? command : ['taskset', '-c', String(cpu), ...command];
}

const HAS_TASKSET = spawnSync('taskset', ['--version']).status === 0;

import { mkdirSync, writeFileSync } from 'node:fs';
import { arch, cpus, platform } from 'node:os';
import { join } from 'node:path';
import type { Case } from './cases.js';
import { chartOf } from './chart.js';
import { compileEngine } from './engine.js';
import { type BenchOptions, readOptions } from './options.js';
import {
  aerie,
  aerieWithHistory,
  bun,
  cServer,
  type Peer,
  plainWs,
  socketIo,
  vanillaNest,
  writeTokens,
} from './peers.js';
import { CASES, CURVES } from './plan.js';
import { ProgressLine } from './progress-line.js';
import { failuresOf, tableOf } from './report.js';
import { type CaseResult, runRounds } from './rounds.js';

const line = new ProgressLine();

async function main(options: BenchOptions): Promise<void> {
  compileEngine();
  writeTokens();
  const peers = peersFor(options);
  if (peers.length === 0) throw new Error(`none of these peers is here: ${options.peers.join(', ')}`);
  const results: CaseResult[] = [];
  for (const question of casesFor(options)) {
    const { among = peers.filter(({ isVariant }) => isVariant !== true).map(({ name }) => name) } = question;
    const asked = inOrder(among, peers);
    if (asked.length === 0) continue;
    const result = await runRounds(question, asked, {
      ...options,
      onProgress: (peer, share) => line.show(`${question.title}: ${peer}`, share),
    });
    results.push(result);
    line.clear();
    console.log(`${question.name}: ${result.peers.map(shortly).join(' · ')}`);
  }
  console.log(`\n${tableOf(results)}`);
  if (options.out !== undefined) write(options.out, results, options);
  const failures = failuresOf(results);
  for (const failure of failures) console.error(failure);
  if (failures.length > 0) process.exitCode = 1;
}

function shortly({ peer, value, ratio }: CaseResult['peers'][number]): string {
  return `${peer} ${Math.round(value)}${ratio === undefined ? '' : ` (${ratio.toFixed(2)}x)`}`;
}

function peersFor({ peers: wanted, curves }: BenchOptions): readonly Peer[] {
  const names = curves && wanted.length === 0 ? [aerie.name] : wanted;
  const isWanted = (name: string): boolean => names.length === 0 || names.includes(name);
  const all = [
    plainWs,
    aerie,
    aerieWithHistory,
    vanillaNest,
    socketIo,
    ...(isWanted('Bun') ? [bun()] : []),
    ...(isWanted('C') ? [cServer()] : []),
  ];
  const found = all.filter((peer) => peer !== undefined).filter(({ name }) => isWanted(name));
  const order = names.length === 0 ? found.map(({ name }) => name) : names;
  return inOrder(order, found);
}

function inOrder(names: readonly string[], peers: readonly Peer[]): readonly Peer[] {
  return names.flatMap((name) => peers.filter((peer) => peer.name === name));
}

function casesFor({ cases: names, curves }: BenchOptions): readonly Case[] {
  const all = curves ? CURVES : CASES;
  const unknown = names.find((name) => !all.some((each) => each.name === name));
  if (unknown !== undefined)
    throw new Error(`no case "${unknown}": there are ${all.map(({ name }) => name).join(', ')}`);
  return names.length === 0 ? all : all.filter(({ name }) => names.includes(name));
}

function write(folder: string, results: readonly CaseResult[], { rounds, seconds }: BenchOptions): void {
  const machine = { cpu: cpus()[0]?.model, cpus: cpus().length, platform: platform(), arch: arch() };
  const run = { at: new Date().toISOString(), node: process.version, machine, rounds, seconds };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'results.json'), `${JSON.stringify({ ...run, results }, undefined, 2)}\n`);
  writeFileSync(join(folder, 'results.svg'), chartOf(results));
}

try {
  await main(readOptions(process.argv.slice(2)));
} catch (error) {
  line.clear();
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

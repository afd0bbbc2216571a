import { type Case, connects, echo, fanout } from './cases.js';
import { compileEngine, type EngineArguments, runEngine } from './engine.js';
import { aerie, plainWs, writeTokens } from './peers.js';
import { runRounds } from './rounds.js';
import { type ServerCommand, ServerProcess } from './server-process.js';

// What no change may break, for `.ci/run`: ratios to plain `ws` in the same run, far below what is usually seen, since the
// machine is somebody else's too; and what a delivery and an echo allocate, which no neighbour changes.

const ROUNDS = 2;
const SECONDS = 1;
const ATTEMPTS = 3;
const ALLOCATION_SECONDS = 3;

interface Floor {
  readonly question: Case;
  /** The least that Aerie must reach of what plain `ws` does. */
  readonly ratio: number;
}

const FLOORS: readonly Floor[] = [
  { question: fanout('w1', 'fan-out to 1,000, 1 under way', { receivers: 1_000, window: 1 }), ratio: 0.5 },
  { question: fanout('w8', 'fan-out to 1,000, 8 under way', { receivers: 1_000, window: 8 }), ratio: 2.5 },
  { question: echo('echo', 'echo through the pipeline', 100), ratio: 0.1 },
  { question: connects('connects', 'connects with a token'), ratio: 0.04 },
];

interface Ceiling {
  readonly title: string;
  readonly bytes: number;
  readonly server: ServerCommand;
  readonly mode: 'fanout' | 'echo';
  readonly plan: EngineArguments;
}

const { opening, subscribe, publish, echo: echoed } = aerie.dialect;
const CEILINGS: readonly Ceiling[] = [
  {
    title: 'heap allocated per delivery of a fan-out to 1,000',
    bytes: 1_500,
    server: aerie.server,
    mode: 'fanout',
    plan: [...opening, ...subscribe, ['connections', 1_000], ['message', publish('{t}')]],
  },
  {
    title: 'heap allocated per echo through the pipeline',
    bytes: 45_000,
    server: aerie.echoServer ?? aerie.server,
    mode: 'echo',
    plan: [...opening, ['connections', 10], ['message', echoed('{t}')]],
  },
];

async function main(): Promise<void> {
  compileEngine();
  writeTokens();
  let failed = 0;
  for (const floor of FLOORS) if (!(await isReached(floor))) failed += 1;
  for (const ceiling of CEILINGS) if (!(await isKept(ceiling))) failed += 1;
  const count = FLOORS.length + CEILINGS.length;
  console.log(`${count - failed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}

/** A moment's noise is no regression: it must show three times. */
async function isReached({ question, ratio }: Floor): Promise<boolean> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const options = { rounds: ROUNDS, seconds: SECONDS, onProgress: () => undefined };
    const { peers } = await runRounds(question, [plainWs, aerie], options);
    const seen = peers.at(-1);
    const failures = peers.flatMap((peer) => peer.failures);
    // A run that lost something is none, however fast.
    const reached = failures.length === 0 && (seen?.ratio ?? 0) >= ratio;
    console.log(
      `${question.title}: ${(seen?.ratio ?? 0).toFixed(2)}x plain ws, at least ${ratio}x${failures.map((text) => `; ${text}`).join('')}`,
    );
    if (reached) return true;
  }
  return false;
}

async function isKept({ title, bytes, server: { command, env }, mode, plan }: Ceiling): Promise<boolean> {
  const [node = '', ...script] = command;
  const server = await ServerProcess.start({
    command: [node, '--trace-gc', ...script],
    ...(env !== undefined && { env }),
  });
  try {
    const span: EngineArguments = [
      ['warmup', 0],
      ['seconds', ALLOCATION_SECONDS],
    ];
    const { deliveries } = await runEngine(mode, [['ports', server.port], ...plan, ...span]);
    const each = server.allocatedBytes / deliveries;
    console.log(`${title}: ${Math.round(each)} bytes, at most ${bytes}`);
    return each > 0 && each <= bytes;
  } finally {
    await server.stop();
  }
}

await main();

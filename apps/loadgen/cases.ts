import { setTimeout as sleep } from 'node:timers/promises';
import {
  BUSY_LIMIT,
  type EngineArguments,
  type EngineMode,
  holdConnections,
  type Measured,
  runEngine,
} from './engine.js';
import type { Peer } from './peers.js';
import { type ServerCommand, ServerProcess } from './server-process.js';

const SERVER_CPU = 0;
const ENGINE_CPU = 1;
const PAYLOAD_BYTES = 128;
/** The engine's mark: `@T=`, a time and a sequence number. */
const MARK_BYTES = 27;
const PROBE_MS = 5;
const SETTLE_MS = 1_500;

type FigureKey = 'perSecond' | 'p99Us' | 'probeP99Us' | 'arrivalP99Us';

/** One number of one run, with what else that run showed. */
export interface Figure {
  readonly value: number;
  readonly details: Readonly<Record<string, number>>;
}

export interface Run {
  readonly peer: Peer;
  /** Seconds measured, after a warm-up of a third of that. */
  readonly seconds: number;
  readonly onProgress: (share: number) => void;
}

/** A question to every peer. */
export interface Case {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  /** Whether a larger figure is the better one. */
  readonly more: boolean;
  /** The peers that can answer, the one that the others are compared with first. Default: all. */
  readonly among?: readonly string[];
  measure(run: Run): Promise<Figure>;
}

interface FanoutOptions {
  readonly receivers: number;
  readonly window?: number;
  readonly rate?: number;
  readonly payloadBytes?: number;
  readonly stuck?: number;
  readonly channels?: number;
  readonly channelsEach?: number;
}

/** Deliveries a second, with `window` publications under way. */
export function fanout(name: string, title: string, options: FanoutOptions): Case {
  const measure = (run: Run): Promise<Figure> => fanFigure(run, options, 'perSecond');
  return { name, title, unit: 'deliveries/s', more: true, measure };
}

/** The latency of publications that come at a fixed rate. */
export function latency(name: string, title: string, options: FanoutOptions & { rate: number }): Case {
  const measure = (run: Run): Promise<Figure> => fanFigure(run, options, 'p99Us');
  return { name, title, unit: 'µs p99', more: false, measure };
}

/** How long a broadcast keeps everyone else waiting: pings on a connection that has no part in it. */
export function block(name: string, title: string, options: FanoutOptions & { rate: number }): Case {
  const measure = (run: Run): Promise<Figure> => fanFigure(run, options, 'probeP99Us');
  return { name, title, unit: 'µs p99', more: false, measure };
}

async function fanFigure(run: Run, options: FanoutOptions, key: FigureKey): Promise<Figure> {
  return figureOf(await onServer(run, (port) => fan(run, [port], options)), key);
}

/** Requests and their replies a second, one under way per connection. */
export function echo(name: string, title: string, connections: number): Case {
  return {
    name,
    title,
    unit: 'echoes/s',
    more: true,
    measure: async (run) => {
      const { peer } = run;
      const plan: EngineArguments = [
        ...peer.dialect.opening,
        ['connections', connections],
        ['message', peer.dialect.echo(textOf(PAYLOAD_BYTES))],
      ];
      const measured = await onServer(
        run,
        (port) => engine(run, 'echo', [['ports', port], ...plan]),
        peer.echoServer ?? peer.server,
      );
      return figureOf(measured, 'perSecond');
    },
  };
}

/** Handshakes a second, 64 at a time, each until the server's greeting where it has one. */
export function connects(name: string, title: string): Case {
  return {
    name,
    title,
    unit: 'connects/s',
    more: true,
    measure: async (run) => {
      const { opening } = run.peer.dialect;
      const measured = await onServer(run, (port) =>
        engine(run, 'connect', [['ports', port], ...opening, ['connections', 64]]),
      );
      return figureOf(measured, 'perSecond');
    },
  };
}

/** Resident bytes of the server for each idle connection. */
export function memory(name: string, title: string, connections: number): Case {
  return {
    name,
    title,
    unit: 'bytes',
    more: false,
    measure: async ({ peer, onProgress }) => {
      const server = await ServerProcess.start(peer.server, SERVER_CPU);
      try {
        // The first connections pay for code and caches that all of them share.
        await opened(server, peer, Math.ceil(connections / 10));
        const before = server.residentBytes;
        onProgress(0.3);
        const each = (await opened(server, peer, connections)) - before;
        return { value: each / connections, details: { resident: server.residentBytes } };
      } finally {
        await server.stop();
      }
    },
  };
}

async function opened(server: ServerProcess, { dialect }: Peer, connections: number): Promise<number> {
  const held = await holdConnections(
    [['ports', server.port], ...dialect.opening, ['connections', connections]],
    ENGINE_CPU,
  );
  await sleep(SETTLE_MS);
  const bytes = server.residentBytes;
  await held.release();
  await sleep(SETTLE_MS);
  return bytes;
}

/** The plan of a fan-out on servers that are up. */
export async function fan(run: Run, ports: readonly number[], options: FanoutOptions): Promise<Measured> {
  const { dialect } = run.peer;
  const { receivers, window = 1, rate, payloadBytes = PAYLOAD_BYTES, stuck = 0 } = options;
  return engine(run, 'fanout', [
    ['ports', ports.join(',')],
    ...dialect.opening,
    ...dialect.subscribe,
    ['connections', receivers],
    ['stuck', stuck],
    ['channels', options.channels ?? 1],
    ['channels-each', options.channelsEach ?? 1],
    ['message', dialect.publish(textOf(payloadBytes))],
    rate === undefined ? ['window', window] : ['rate', rate],
    ['probe-ms', PROBE_MS],
  ]);
}

async function onServer(
  { peer }: Run,
  measure: (port: number) => Promise<Measured>,
  command: ServerCommand = peer.server,
): Promise<Measured & { readonly serverCpu: number }> {
  const server = await ServerProcess.start(command, SERVER_CPU);
  try {
    const measured = await measure(server.port);
    return { ...measured, serverCpu: server.cpuSeconds };
  } finally {
    await server.stop();
  }
}

/** Runs the generator for a case. */
export function engine(
  { seconds, onProgress }: Run,
  mode: Exclude<EngineMode, 'idle'>,
  plan: EngineArguments,
): Promise<Measured> {
  const span: EngineArguments = [
    ['seconds', seconds],
    ['warmup', seconds / 3],
  ];
  return runEngine(mode, [...plan, ...span], { cpu: ENGINE_CPU, onProgress });
}

/** A run that lost one message fails, and so does one whose generator had no time left. */
export function figureOf(measured: Measured, key: FigureKey): Figure {
  const { lost, outOfOrder, foreign, closed, busy } = measured;
  if (lost + outOfOrder + foreign + closed > 0)
    throw new Error(
      `${lost} publications lost, ${outOfOrder} out of order, ${foreign} doubled, ${closed} connections closed`,
    );
  if (measured.deliveries === 0) throw new Error('nothing was delivered');
  if (busy > BUSY_LIMIT && key === 'perSecond')
    throw new Error(`the generator was busy ${Math.round(busy * 100)} % of the time`);
  return { value: measured[key], details: { ...measured } };
}

/** Text of so many bytes with room for the mark. */
export function textOf(bytes: number): string {
  return `{t}${'x'.repeat(Math.max(0, bytes - MARK_BYTES))}`;
}

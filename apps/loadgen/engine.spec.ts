import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { compileEngine, type EngineArguments, holdConnections, type Measured, runEngine } from './engine.js';

const RECEIVERS = 10;

let server: WebSocketServer | undefined;

beforeAll(() => compileEngine());
afterEach(() => {
  for (const client of server?.clients ?? []) client.terminate();
  server?.close();
});

/** Broadcasts what it gets, as `deliver` pleases. */
async function serve(deliver: (client: WebSocket, text: string, count: number) => void): Promise<number> {
  const started = new WebSocketServer({ port: 0, host: '127.0.0.1', path: '/ws' });
  server = started;
  let count = 0;
  started.on('connection', (socket) => {
    socket.send('hello');
    socket.on('message', (data: Buffer) => {
      const text = data.toString();
      if (text === 'join') return socket.send('joined');
      count += 1;
      for (const client of started.clients) deliver(client, text, count);
    });
  });
  await once(started, 'listening');
  return (started.address() as AddressInfo).port;
}

/** Keeps what it broadcasts; who comes back gets what `recall` leaves of what was missed. */
async function serveHistory(
  log: string[],
  recall: (missed: readonly string[]) => readonly string[],
): Promise<number> {
  const started = new WebSocketServer({ port: 0, host: '127.0.0.1', path: '/ws' });
  server = started;
  const joined = new Set<WebSocket>();
  started.on('connection', (socket) => {
    socket.send('hello');
    socket.on('error', () => undefined);
    socket.on('close', () => joined.delete(socket));
    socket.on('message', (data: Buffer) => {
      const text = data.toString();
      const [, after] = /^rejoin e1 (\d+)$/.exec(text) ?? [];
      if (text === 'join') socket.send(`joined "epoch":"e1" "offset":${log.length}`);
      else if (after !== undefined) socket.send(`joined all ${recall(log.slice(Number(after))).join(' ')}`);
      else log.push(`${text} "offset":${log.length + 1}`);
      if (text === 'join' || after !== undefined) joined.add(socket);
      else for (const client of joined) client.send(log.at(-1) ?? '');
    });
  });
  await once(started, 'listening');
  return (started.address() as AddressInfo).port;
}

const comeBack = (port: number, more: EngineArguments = []): Promise<Measured> =>
  runEngine('return', [
    ...plan(port),
    ...more,
    ['recover', 'rejoin {epoch} {offset}'],
    ['recovered', 'joined all'],
    ['rate', 100],
    ['warmup', 0.1],
    ['away', 0.1],
    ['spread', 0.1],
  ]);

function plan(port: number, more: EngineArguments = []): EngineArguments {
  return [
    ['ports', port],
    ['path', '/ws'],
    ['connections', RECEIVERS],
    ['expect', 'hello'],
    ['subscribe', 'join'],
    ['subscribed', 'joined'],
    ['message', 'said {t} in {c}'],
    ['warmup', 0],
    ['seconds', 0.3],
    ['patience', 1],
    ...more,
  ];
}

const fanout = (port: number, more?: EngineArguments): Promise<Measured> =>
  runEngine('fanout', plan(port, more));

describe('the generator', () => {
  it('counts a publication once it has reached everyone, and nothing is wrong where nothing is', async () => {
    const port = await serve((client, text) => client.send(text));
    const measured = await fanout(port, [['window', 4]]);
    expect(measured).toMatchObject({ lost: 0, outOfOrder: 0, foreign: 0, closed: 0 });
    expect(measured.publications).toBeGreaterThan(0);
    expect(measured.deliveries / measured.publications).toBeCloseTo(RECEIVERS, 0);
    expect(measured.p50Us).toBeGreaterThan(0);
    expect(measured.maxUs).toBeGreaterThanOrEqual(measured.p99Us);
  });

  it('reads joined and large frames', async () => {
    const port = await serve((client, text) => client.send(text));
    const text = `{t}${'x'.repeat(100_000)}`;
    const measured = await fanout(port, [
      ['message', text],
      ['window', 4],
    ]);
    expect(measured).toMatchObject({ lost: 0, outOfOrder: 0, foreign: 0, closed: 0 });
  });

  it('keeps to a rate', async () => {
    const port = await serve((client, text) => client.send(text));
    const measured = await fanout(port, [
      ['rate', 100],
      ['seconds', 1],
    ]);
    expect(measured.publications).toBeGreaterThan(50);
    expect(measured.publications).toBeLessThanOrEqual(101);
  });

  it('sees what was lost', async () => {
    const port = await serve((client, text, count) => {
      if (count !== 5 || client !== [...(server?.clients ?? [])][3]) client.send(text);
    });
    expect(await fanout(port, [['window', 4]])).toMatchObject({ lost: 1 });
  });

  it('sees what came twice', async () => {
    const port = await serve((client, text, count) => {
      client.send(text);
      if (count === 5) client.send(text);
    });
    const { foreign, outOfOrder } = await fanout(port);
    expect(foreign + outOfOrder).toBeGreaterThan(0);
  });

  it('sees what came in another order', async () => {
    const held = new Map<WebSocket, string>();
    const port = await serve((client, text, count) => {
      if (count === 5) held.set(client, text);
      else client.send(text);
      if (count === 6) client.send(held.get(client) ?? '');
    });
    expect((await fanout(port, [['window', 4]])).outOfOrder).toBeGreaterThan(0);
  });

  it('brings back who was cut off, with what they missed', async () => {
    const log: string[] = [];
    const port = await serveHistory(log, (missed) => missed);
    const measured = await comeBack(port);
    expect(measured).toMatchObject({
      deliveries: RECEIVERS - 1,
      lost: 0,
      outOfOrder: 0,
      foreign: 0,
      closed: 0,
    });
    expect(log.length).toBeGreaterThan(10);
    expect(measured.maxUs).toBeGreaterThanOrEqual(measured.p50Us);
  });

  it('cuts off one after the other, too', async () => {
    const port = await serveHistory([], (missed) => missed);
    const measured = await comeBack(port, [['cut', 0.3]]);
    expect(measured).toMatchObject({ deliveries: RECEIVERS - 1, lost: 0, outOfOrder: 0, foreign: 0 });
    // What is published at the end of an absence of 0.1 s arrives sooner than what is published at its beginning.
    expect(measured.arrivalP99Us).toBeGreaterThan(measured.arrivalP50Us);
    expect(measured.seconds).toBeGreaterThan(0.3);
  });

  it('sees what a recovery left out', async () => {
    const port = await serveHistory([], (missed) => missed.slice(1));
    expect((await comeBack(port)).lost).toBeGreaterThan(0);
  });

  it('sees what a recovery brought twice', async () => {
    const port = await serveHistory([], (missed) => [...missed, ...missed.slice(-1)]);
    expect((await comeBack(port)).foreign).toBeGreaterThan(0);
  });

  it('says why a server refused it', async () => {
    const port = await serve(() => undefined);
    await expect(runEngine('fanout', plan(port, [['path', '/elsewhere']]))).rejects.toThrow(
      /answered with HTTP\/1.1 400/,
    );
  });

  it('holds connections until it is released', async () => {
    const port = await serve(() => undefined);
    const held = await holdConnections(plan(port));
    expect(server?.clients.size).toBe(RECEIVERS);
    await held.release();
    await expect.poll(() => server?.clients.size).toBe(0);
  });
});

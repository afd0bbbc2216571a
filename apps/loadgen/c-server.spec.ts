import { once } from 'node:events';
import { connect } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { compileEngine, type EngineArguments, holdConnections, runEngine } from './engine.js';
import { cServer, type Peer } from './peers.js';
import { ServerProcess } from './server-process.js';

const MANY = 10_000;
/** More than the kernel keeps for a connection, less than the server does. */
const BEHIND_BYTES = 12 * 1_048_576;
/** More than both. */
const TOO_FAR_BEHIND_BYTES = 64 * 1_048_576;
const LARGE_BYTES = 524_288;

let peer: Peer;
let server: ServerProcess;

beforeAll(() => {
  compileEngine();
  peer = cServer();
});
beforeEach(async () => {
  server = await ServerProcess.start(peer.server);
});
afterEach(() => server.stop());

interface Heard {
  readonly event: string;
  readonly data: { readonly text: string };
}

class Listener {
  readonly heard: Heard[] = [];

  constructor(readonly socket: WebSocket) {
    socket.on('message', (data: Buffer) => this.heard.push(JSON.parse(data.toString()) as Heard));
    socket.on('error', () => undefined);
  }

  /** What was said to the channel, as far as it has come. */
  get said(): readonly string[] {
    return this.heard.filter(({ event }) => event === 'say').map(({ data }) => data.text);
  }

  say(event: string, data: unknown): void {
    this.socket.send(JSON.stringify({ event, data }));
  }
}

async function listener(channel?: string): Promise<Listener> {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws`, { perMessageDeflate: false });
  const opened = new Listener(socket);
  await once(socket, 'open');
  if (channel === undefined) return opened;
  opened.say('subscribe', { channel });
  await expect.poll(() => opened.heard).toEqual([{ event: 'subscribed', data: { channel } }]);
  return opened;
}

const UPGRADE = [
  'GET /ws HTTP/1.1',
  'host: x',
  'upgrade: WebSocket',
  'sec-websocket-version: 13',
  'sec-websocket-key:dGhlIHNhbXBsZSBub25jZQ== ',
];
const CLOSE = frame(0x88, '');

/** A client's frame with a mask of zeros. */
function frame(first: number, payload: string): Buffer {
  return Buffer.from([first, 0x80 | payload.length, 0, 0, 0, 0, ...Buffer.from(payload)]);
}

/** All that the server answers to a request and what follows it, until it ends the connection. */
async function answerTo(lines: readonly string[], following = CLOSE, pieceBytes = 4_096): Promise<string> {
  const socket = connect({ port: server.port, host: '127.0.0.1', noDelay: true });
  const answer = textOf(socket.setEncoding('latin1'));
  const bytes = Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), following]);
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.write(bytes.subarray(at, at + pieceBytes), () => resolve());
    await promise;
  }
  return answer;
}

/** How a close frame of the server looks. */
const closing = (code: number): string => `\x88\x02${String.fromCharCode(code >> 8, code & 0xff)}`;

describe('the C server', () => {
  it('brings a publication to the subscribers of its channel, once each, and to nobody else', async () => {
    const [first, second, elsewhere] = [await listener('a'), await listener('a'), await listener('b')];
    second.say('subscribe', { channel: 'a' });
    await expect.poll(() => second.heard).toHaveLength(2);
    first.say('publish', { channel: 'nobody', text: 'unheard' });
    first.say('publish', { channel: 'a', text: 'said' });
    elsewhere.say('publish', { channel: 'b', text: 'there' });
    await expect
      .poll(() => [first.said, second.said, elsewhere.said])
      .toEqual([['said'], ['said'], ['there']]);
  });

  it('forgets who has gone, wherever it stood in its channels', async () => {
    const [first, second, third] = [await listener('a'), await listener('a'), await listener('a')];
    for (const [each, channel] of [
      [first, 'b'],
      [third, 'b'],
      [second, 'c'],
    ] as const)
      each.say('subscribe', { channel });
    await expect.poll(() => [first, second, third].map(({ heard }) => heard.length)).toEqual([2, 2, 2]);
    first.socket.close();
    await once(first.socket, 'close');
    for (const channel of ['a', 'b', 'c']) second.say('publish', { channel, text: channel });
    await expect
      .poll(() => [second.said, third.said])
      .toEqual([
        ['a', 'c'],
        ['a', 'b'],
      ]);
    second.socket.terminate();
    third.say('publish', { channel: 'a', text: 'alone' });
    await expect.poll(() => third.said).toEqual(['a', 'b', 'alone']);
  });

  it('echoes data as they are, at every length of a frame', async () => {
    const client = await listener();
    const data = [
      { text: 'quotes " and \\ and , } ]', channel: ['a', { b: null }], n: -1.5 },
      ...[0, 90, 110, 65_490, 65_520, 500_000].map((length) => ({ text: 'x'.repeat(length) })),
    ];
    for (const each of data) client.say('echo', each);
    await expect.poll(() => client.heard).toEqual(data.map((each) => ({ event: 'echo', data: each })));
  });

  it('reads members in any order, with any space', async () => {
    const client = await listener('a');
    client.socket.send(' { "data" : { "text" : "said" , "channel" : "a" } ,\n"event" : "publish" } ');
    await expect.poll(() => client.said).toEqual(['said']);
  });

  it('answers a ping with what it carried', async () => {
    const { socket } = await listener();
    socket.ping('are you there');
    const [payload] = (await once(socket, 'pong')) as [Buffer];
    expect(payload.toString()).toBe('are you there');
  });

  it.each([4_096, 1])(
    'upgrades as RFC 6455 says, and ends when it is asked to, read by %d bytes',
    async (pieceBytes) => {
      const following = Buffer.concat([frame(0x81, '{"event":"echo","data":1}'), CLOSE]);
      const [head, frames] = (await answerTo(UPGRADE, following, pieceBytes)).split('\r\n\r\n');
      expect(head).toMatch(/^HTTP\/1\.1 101 .*\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=$/s);
      expect(frames).toBe('\x81\x19{"event":"echo","data":1}\x88\x00');
    },
  );

  it.each([
    ['another path', ['GET /elsewhere HTTP/1.1', ...UPGRADE.slice(1)]],
    ['a request that is no upgrade', UPGRADE.filter((line) => !line.startsWith('upgrade'))],
    ['another version', UPGRADE.map((line) => line.replace('13', '8'))],
    ['a request without a key', UPGRADE.slice(0, -1)],
  ])('refuses %s', async (_what, lines) => {
    expect(await answerTo(lines, Buffer.of())).toMatch(/^HTTP\/1\.1 400 /);
  });

  it.each([
    ['a frame without a mask', 1002, Buffer.from([0x81, 0x02, 0x68, 0x69])],
    ['a message in pieces', 1003, frame(0x01, 'hi')],
    ['a binary message', 1003, frame(0x82, 'hi')],
    ['a message that is none of its own', 1003, frame(0x81, '{"event":"else"}')],
    ['a message that ends too early', 1003, frame(0x81, '{"event":"echo","data":')],
    ['a message that is too large', 1009, Buffer.from([0x81, 0xff, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])],
  ])('closes at %s with %d', async (_what, code, following) => {
    expect((await answerTo(UPGRADE, following)).endsWith(closing(code))).toBe(true);
  });

  it('keeps what a slow reader has no room for, in order', async () => {
    const [slow, quick] = [await listener('a'), await listener('a')];
    slow.socket.pause();
    const texts = await publishBytes(quick, BEHIND_BYTES);
    slow.socket.resume();
    await expect.poll(() => slow.said.length, { timeout: 10_000 }).toBe(texts.length);
    expect(slow.said).toEqual(texts);
  });

  it('ends a reader that is too far behind, and nobody else', async () => {
    const [stuck, quick] = [await listener('a'), await listener('a')];
    stuck.socket.pause();
    await publishBytes(quick, TOO_FAR_BEHIND_BYTES);
    const closed = once(stuck.socket, 'close');
    stuck.socket.resume();
    await closed;
    await publishBytes(quick, LARGE_BYTES);
  });

  it('loses nothing and keeps the order under load', async () => {
    const measured = await runEngine('fanout', [
      ...plan(100),
      ...peer.dialect.subscribe,
      ['message', peer.dialect.publish('{t}')],
      ['window', 4],
      ['warmup', 0],
      ['seconds', 0.3],
    ]);
    expect(measured).toMatchObject({ lost: 0, outOfOrder: 0, foreign: 0, closed: 0 });
    expect(measured.publications).toBeGreaterThan(0);
  });

  it('holds ten thousand connections', async () => {
    const held = await holdConnections(plan(MANY));
    await held.release();
    await listener('a');
  });
});

function plan(connections: number): EngineArguments {
  return [['ports', server.port], ...peer.dialect.opening, ['connections', connections]];
}

/** Resolves with the texts; their publisher hears each of them before it says the next one. */
async function publishBytes(publisher: Listener, bytes: number): Promise<readonly string[]> {
  const texts = Array.from({ length: bytes / LARGE_BYTES }, (_, at) => String(at).padEnd(LARGE_BYTES, '.'));
  for (const text of texts) {
    publisher.say('publish', { channel: 'a', text });
    await once(publisher.socket, 'message');
  }
  expect(publisher.said.slice(-texts.length)).toEqual(texts);
  return texts;
}

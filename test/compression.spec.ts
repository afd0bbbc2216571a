import 'reflect-metadata';
import { deflateRawSync } from 'node:zlib';
import { RealtimeService } from '@aerie/realtime';
import { clientFrame, openClient, type TestClient } from '@aerie/realtime/testing';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { JWT_SECRET, startGateway, tokenFor } from './support/gateway.js';
import { type NestApp, startNestApp } from './support/nest-app.js';

const COMPRESSED_TEXT = 0x40 | 0x1;
const LONG = 'all work and no play makes jack a dull boy. '.repeat(100);
const LIMIT = 65_536;

@WebSocketGateway({ path: '/ws' })
class Gateway {
  @SubscribeMessage('echo')
  echo(@MessageBody() body: unknown): unknown {
    return body;
  }
}

/** A message's payload as a client compresses it. */
function compressed(payload: string | Uint8Array): Buffer {
  return deflateRawSync(payload, { finishFlush: 2 }).subarray(0, -4);
}

let app: NestApp;
const clients: TestClient[] = [];

beforeAll(async () => {
  app = await startNestApp(
    { providers: [Gateway] },
    {
      realtime: {
        compression: { thresholdBytes: 256 },
        auth: { jwt: { secret: JWT_SECRET }, firstMessage: true },
        channels: [{ pattern: 'room:{id}', maySubscribe: () => true, mayPublish: () => true }],
      },
    },
  );
});
afterAll(() => app.close());
afterEach(() => {
  for (const { socket } of clients.splice(0)) socket.terminate();
});

interface Offer {
  readonly compression?: boolean;
  readonly protocols?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}

async function connect(offer: Offer = { compression: true }): Promise<TestClient> {
  const client = await openClient(app.ws(), { token: tokenFor('ann'), ...offer });
  clients.push(client);
  await client.frame('$welcome');
  return client;
}

/** How much of the socket a broadcast fills. */
async function bytesOf(client: TestClient, event: string): Promise<number> {
  let bytes = 0;
  const socket = Reflect.get(client.socket, '_socket') as NodeJS.EventEmitter;
  socket.prependListener('data', (chunk: Buffer) => (bytes += chunk.byteLength));
  await client.frame(event);
  return bytes;
}

describe('where compression is on', () => {
  it('a client that offers it gets long frames compressed, each by itself', async () => {
    const client = await connect();
    expect(client.socket.extensions).toBe('permessage-deflate');
    for (const round of [1, 2]) {
      const bytes = bytesOf(client, `long-${round}`);
      await app.get(RealtimeService).user('ann').emit(`long-${round}`, LONG);
      expect(await bytes).toBeLessThan(LONG.length / 5);
    }
    const client2 = await connect();
    await app.get(RealtimeService).user('ann').emit('last', LONG);
    expect(await client2.frame('last')).toEqual({ event: 'last', data: LONG });
  });

  it('it agrees that neither side keeps a window', async () => {
    expect(await answerTo('permessage-deflate; client_max_window_bits')).toBe(
      'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
    );
  });

  it('short frames go as they are', async () => {
    const client = await connect();
    const bytes = bytesOf(client, 'short');
    await app.get(RealtimeService).user('ann').emit('short', 'x'.repeat(100));
    expect(await bytes).toBeGreaterThan(100);
  });

  it('members of one channel get the same, whatever they negotiated', async () => {
    const all = await Promise.all(
      [
        { compression: true },
        {},
        { compression: true, protocols: ['aerie.v1.msgpack'] },
        { protocols: ['aerie.v1.msgpack'] },
      ].map((offer) => connect(offer)),
    );
    for (const client of all) await client.request('$subscribe', { channel: 'room:1' });
    await app.get(RealtimeService).channel('room:1').publish('say', { text: LONG });
    for (const client of all)
      expect(await client.frame('say')).toEqual({ event: 'say', channel: 'room:1', data: { text: LONG } });
  });

  it('messages may come compressed, one after the other', async () => {
    const client = await connect();
    for (const round of [1, 2, 3]) {
      client.socket.send(JSON.stringify({ event: 'echo', id: round, data: LONG }), { compress: true });
      expect(await client.frame(({ id }) => id === round)).toMatchObject({ data: LONG });
    }
  });

  it('a frame that swells past the limit closes with 1009', async () => {
    const client = await connect();
    const bomb = JSON.stringify({ event: 'echo', data: 'x'.repeat(50 * 1024 * 1024) });
    write(client, COMPRESSED_TEXT, compressed(bomb));
    expect(await client.closed).toEqual({ code: 1009, reason: 'frame too large' });
  });

  it('a frame of exactly the limit is taken', async () => {
    const client = await connect();
    const empty = JSON.stringify({ event: 'echo', id: 1, data: '' });
    const data = 'x'.repeat(LIMIT - empty.length);
    client.socket.send(JSON.stringify({ event: 'echo', id: 1, data }), { compress: true });
    expect(await client.frame(({ id }) => id === 1)).toMatchObject({ data });
  });

  it('garbage in a compressed frame closes with 1007', async () => {
    const client = await connect();
    write(client, COMPRESSED_TEXT, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff]));
    expect(await client.closed).toEqual({ code: 1007, reason: 'invalid data' });
  });

  it('a compressed frame of who never offered it closes with 1002', async () => {
    const client = await connect({});
    write(client, COMPRESSED_TEXT, compressed('{"event":"$ping"}'));
    expect(await client.closed).toEqual({ code: 1002, reason: 'protocol error' });
  });

  it('an offer that it does not understand is passed over, and no reason to refuse', async () => {
    expect(await answerTo('permessage-deflate; server_max_window_bits=9')).toBeUndefined();
    expect(await answerTo('permessage-deflate; nonsense')).toBeUndefined();
    expect(await answerTo(';;,,=')).toBeUndefined();
    expect(await answerTo('permessage-deflate; server_max_window_bits=12')).toContain('deflate');
  });

  it('what swells before $auth counts as what it has become', async () => {
    const client = await openClient(app.ws(), { compression: true });
    clients.push(client);
    client.socket.send(JSON.stringify({ event: '$auth', data: { token: 'x'.repeat(5_000) } }));
    expect(await client.closed).toEqual({ code: 1008, reason: 'policy violation' });
  });
});

describe('the standalone gateway', () => {
  it('compresses where COMPRESSION says so, and not by default', async () => {
    const on = await startGateway({ COMPRESSION: 'true' });
    const off = await startGateway({});
    const offer = { token: tokenFor('ann'), compression: true };
    const [client, other] = await Promise.all([openClient(on.ws(), offer), openClient(off.ws(), offer)]);
    clients.push(client, other);
    expect(client.socket.extensions).toBe('permessage-deflate');
    expect(other.socket.extensions).toBe('');
    await Promise.all([on.stop(), off.stop()]);
  });
});

/** Writes a frame of the test's own making. */
function write(client: TestClient, opcode: number, payload: Uint8Array): void {
  client.sendRaw(clientFrame(opcode, payload));
}

/** What the server answers to an offer. */
async function answerTo(offer: string): Promise<string | undefined> {
  const { status, headers } = await app.probe('ann', '/ws', {
    headers: { 'sec-websocket-extensions': offer },
  });
  expect(status).toBe(101);
  return headers['sec-websocket-extensions'];
}

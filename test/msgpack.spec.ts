import 'reflect-metadata';
import { RealtimeClient } from '@aerie/client';
import { msgpack } from '@aerie/client/msgpack';
import { Bytes, type ChannelRule, RealtimeService } from '@aerie/realtime';
import { RealtimeRedisModule } from '@aerie/realtime/redis';
import { openClient, type TestClient } from '@aerie/realtime/testing';
import { encode } from '@msgpack/msgpack';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { tokenFor } from './support/gateway.js';
import { type NestApp, startNestApp } from './support/nest-app.js';

const MSGPACK = 'aerie.v1.msgpack';
const JSON_V1 = 'aerie.v1.json';
const PICTURE = Buffer.from([0, 1, 2, 0xfe, 0xff]);
const IN_JSON = { $bytes: PICTURE.toString('base64') };

const CHANNELS: readonly ChannelRule[] = [
  {
    pattern: 'room:{id}',
    history: { size: 100, ttlMs: 60_000 },
    maySubscribe: () => true,
    mayPublish: () => true,
  },
];

@WebSocketGateway({ path: '/ws' })
class Gateway {
  readonly seen: unknown[] = [];

  @SubscribeMessage('picture')
  picture(@MessageBody() body: { readonly picture: unknown }): unknown {
    this.seen.push(body.picture);
    return { isBytes: body.picture instanceof Uint8Array, again: body.picture };
  }
}

function startApp(redisUrl?: string): Promise<NestApp> {
  const prefix = `msgpack-${randomUUID()}:`;
  const imports = redisUrl === undefined ? [] : [RealtimeRedisModule.forRoot({ url: redisUrl, prefix })];
  return startNestApp({ imports, providers: [Gateway] }, { realtime: { channels: CHANNELS } });
}

describe.each(['memory', 'redis'] as const)('bytes in a channel in %s', (driver) => {
  let app: NestApp;
  const clients: TestClient[] = [];
  let rooms = 0;
  const newRoom = (): string => `room:${(rooms += 1)}`;

  beforeAll(async () => {
    app = await startApp(driver === 'redis' ? inject('redisUrl') : undefined);
  });
  afterAll(async () => {
    for (const { socket } of clients) socket.terminate();
    await app.close();
  });

  async function connect(user: string, protocols: readonly string[]): Promise<TestClient> {
    const client = await openClient(app.ws(), { token: tokenFor(user), protocols });
    clients.push(client);
    await client.frame('$welcome');
    return client;
  }

  it('reach who speaks MessagePack as bytes, and who speaks JSON in base64', async () => {
    const room = newRoom();
    const packed = await connect('ann', [JSON_V1, MSGPACK]);
    const plain = await connect('bob', [JSON_V1]);
    expect(packed.socket.protocol).toBe(MSGPACK);
    await packed.request('$subscribe', { channel: room });
    await plain.request('$subscribe', { channel: room });
    await packed.request('$publish', { channel: room, event: 'draw', data: { picture: PICTURE } });
    const publication = { event: 'draw', channel: room, from: 'ann', offset: 1 };
    expect(await packed.frame('draw')).toEqual({
      ...publication,
      data: { picture: new Uint8Array(PICTURE) },
    });
    expect(await plain.frame('draw')).toEqual({ ...publication, data: { picture: IN_JSON } });
  });

  it('come out of the history, and of a recovery, as they went in', async () => {
    const room = newRoom();
    const writer = await connect('ann', [MSGPACK]);
    const { data } = await writer.request('$publish', { channel: room, event: 'draw', data: 'first' });
    const { epoch } = data as { epoch: string };
    await writer.request('$publish', { channel: room, event: 'draw', data: PICTURE });
    const position = { epoch, offset: 1 };
    const packed = await connect('bob', [MSGPACK]);
    expect(await packed.request('$subscribe', { channel: room, position })).toMatchObject({
      data: { recovered: true, publications: [{ data: new Uint8Array(PICTURE), offset: 2 }] },
    });
    expect(await packed.request('$history', { channel: room, after: 1 })).toMatchObject({
      data: { publications: [{ data: new Uint8Array(PICTURE), offset: 2 }] },
    });
    const plain = await connect('bob', [JSON_V1]);
    expect(await plain.request('$subscribe', { channel: room, position })).toMatchObject({
      data: { recovered: true, publications: [{ data: IN_JSON, offset: 2 }] },
    });
  });

  it('are published by who speaks JSON, and by the application', async () => {
    const room = newRoom();
    const packed = await connect('ann', [MSGPACK]);
    const plain = await connect('bob', [JSON_V1]);
    await packed.request('$subscribe', { channel: room });
    await plain.request('$publish', { channel: room, event: 'draw', data: IN_JSON });
    expect(await packed.frame('draw')).toMatchObject({ data: new Uint8Array(PICTURE) });
    await app.get(RealtimeService).channel(room).publish('drawn', new Bytes(PICTURE));
    expect(await packed.frame('drawn')).toMatchObject({ data: new Uint8Array(PICTURE) });
    await app.get(RealtimeService).user('bob').emit('direct', new Bytes(PICTURE));
    expect(await plain.frame('direct')).toMatchObject({ data: IN_JSON });
  });
});

describe('a connection that speaks MessagePack', () => {
  let app: NestApp;
  const clients: TestClient[] = [];

  beforeAll(async () => {
    app = await startApp();
  });
  afterAll(async () => {
    for (const { socket } of clients) socket.terminate();
    await app.close();
  });

  async function connect(protocols: readonly string[] = [MSGPACK]): Promise<TestClient> {
    const client = await openClient(app.ws(), { token: tokenFor('ann'), protocols });
    clients.push(client);
    return client;
  }

  it('is sent binary frames only: welcome, replies, errors, direct events', async () => {
    const client = await connect();
    const kinds: boolean[] = [];
    client.socket.on('message', (_data, isBinary) => kinds.push(isBinary));
    expect((await client.frame('$welcome')).data).toMatchObject({ user: 'ann', transport: 'websocket' });
    expect(await client.request('$ping')).toMatchObject({ event: '$pong' });
    expect(await client.request('nobody')).toMatchObject({ error: { code: 'unknown_event' } });
    await app.get(RealtimeService).user('ann').emit('direct', { n: 1 });
    expect(await client.frame('direct')).toEqual({ event: 'direct', data: { n: 1 } });
    expect(kinds.length).toBeGreaterThanOrEqual(3);
    expect(kinds).not.toContain(false);
  });

  it.each([[MSGPACK], [JSON_V1]])(
    'or JSON gives handlers bytes, and takes them back, over %s',
    async (name) => {
      const client = await connect([name]);
      await client.frame('$welcome');
      const picture = name === MSGPACK ? new Uint8Array(PICTURE) : IN_JSON;
      expect(await client.request('picture', { picture })).toMatchObject({
        data: { isBytes: true, again: picture },
      });
      expect(app.get(Gateway).seen.at(-1)).toEqual(new Bytes(PICTURE));
    },
  );

  it.each<[string, Uint8Array | string]>([
    ['text', '{"event":"$ping","id":1}'],
    ['no MessagePack', Buffer.from([0xc1])],
    ['an array', encode([])],
    ['a date', encode({ event: 'x', id: 1, data: new Date() })],
    ['nested too deeply', Buffer.alloc(1_000, 0x91)],
    ['cut short', encode({ event: 'x', id: 1 }).subarray(0, -1)],
  ])('is told of a bad frame where it sends %s, and lives on', async (_what, frame) => {
    const client = await connect();
    await client.frame('$welcome');
    client.socket.send(frame);
    const answer = await client.frame(({ error }) => error !== undefined);
    expect(answer).toMatchObject({ event: 'exception', error: { code: 'bad_frame' } });
    expect(encode(answer).byteLength).toBeLessThanOrEqual(256);
    expect(await client.request('$ping')).toMatchObject({ event: '$pong' });
  });

  it('is closed where it says nothing else', async () => {
    const client = await connect();
    await client.frame('$welcome');
    for (let frames = 0; frames < 100; frames += 1) client.socket.send(Buffer.from([0xc1]));
    expect([1008, 4429]).toContain((await client.closed).code);
  });

  it('says who it is in MessagePack, too', async () => {
    const client = await openClient(app.ws(), { protocols: [MSGPACK] });
    clients.push(client);
    expect(await client.request('$auth', { token: tokenFor('fay') })).toMatchObject({
      data: { expiresAt: expect.any(Number) as number },
    });
    expect((await client.frame('$welcome')).data).toMatchObject({ user: 'fay' });
  });
});

describe('the SDK with the MessagePack codec', () => {
  let app: NestApp;

  beforeAll(async () => {
    app = await startApp();
  });
  afterAll(() => app.close());

  it.each(['message', 'subprotocol'] as const)('sends and gets bytes (token by %s)', async (tokenVia) => {
    const realtime = new RealtimeClient<{ draw: Uint8Array }>(app.ws(), {
      token: () => tokenFor('sue'),
      tokenVia,
      codec: msgpack(),
    });
    const room = realtime.channel(`room:sdk-${tokenVia}`);
    const drawn: unknown[] = [];
    room.on('draw', (picture) => drawn.push(picture));
    await room.publish('draw', PICTURE);
    await vi.waitFor(() => expect(drawn).toEqual([new Uint8Array(PICTURE)]));
    expect(await realtime.request('picture', { picture: PICTURE })).toEqual({
      isBytes: true,
      again: new Uint8Array(PICTURE),
    });
    realtime.close();
  });

  it('does so through the ws package', async () => {
    const options = { token: () => tokenFor('sue'), codec: msgpack(), webSocket: WebSocket };
    const realtime = new RealtimeClient(app.ws(), options);
    expect(await realtime.request('picture', { picture: PICTURE })).toMatchObject({ isBytes: true });
    realtime.close();
  });
});

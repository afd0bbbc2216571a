import { Bytes } from '@aerie/protocol';
import { encode } from '@msgpack/msgpack';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ScriptedServer } from '../test/scripted-server.js';
import { RealtimeClient } from './client.js';
import { msgpack } from './msgpack.js';

const PICTURE = new Uint8Array([0, 1, 0xff]);
const IN_JSON = { $bytes: 'AAH/' };

let server: ScriptedServer;
let realtime: RealtimeClient<{ draw: unknown }>;

beforeEach(async () => {
  server = await ScriptedServer.start();
  realtime = new RealtimeClient(server.url, { codec: msgpack() });
});
afterEach(async () => {
  realtime.close();
  await server.stop();
});

describe('the MessagePack codec', () => {
  it('is offered first, JSON second', async () => {
    realtime.connect();
    await server.connection();
    expect(server.upgrades[0]?.headers['sec-websocket-protocol']).toMatch(
      /^aerie[.]v1[.]msgpack, ?aerie[.]v1[.]json$/,
    );
  });

  it('writes bytes as bytes, and all else as JSON would', async () => {
    realtime.send('draw', {
      picture: PICTURE,
      view: new DataView(PICTURE.buffer, 1),
      at: new Date(0),
      none: undefined,
      list: [undefined, Number.NaN, () => 1],
      half: '\ud800',
    });
    const peer = await server.connection();
    expect(await peer.receive('draw')).toEqual({
      event: 'draw',
      data: {
        picture: PICTURE,
        view: PICTURE.subarray(1),
        at: '1970-01-01T00:00:00.000Z',
        list: [null, null, null],
        half: '\ufffd',
      },
    });
  });

  it('reads binary frames, and text where the server sends that', async () => {
    const drawn: unknown[] = [];
    realtime.on('draw', (picture) => drawn.push(picture));
    const peer = await server.connection();
    peer.socket.send(encode({ event: 'draw', data: PICTURE }));
    peer.socket.send(Buffer.from([0xc1]));
    peer.send({ event: 'draw', data: [IN_JSON] });
    await vi.waitFor(() => expect(drawn).toEqual([PICTURE, [new Bytes(PICTURE)]]));
  });

  it('is JSON where the server speaks only that, for what was sent before, too', async () => {
    server.choose = () => 'aerie.v1.json';
    realtime.send('early', { picture: PICTURE });
    const peer = await server.connection();
    expect(await peer.receive('early')).toEqual({ event: 'early', data: { picture: IN_JSON } });
    const reply = realtime.request('late', { picture: PICTURE });
    const { id, data } = await peer.receive('late');
    expect(data).toEqual({ picture: IN_JSON });
    peer.send({ id, data: { picture: IN_JSON } });
    expect(await reply).toEqual({ picture: new Bytes(PICTURE) });
  });

  it('fails a request that it cannot write', async () => {
    realtime.connect();
    await server.connection();
    await expect(realtime.request('big', { n: 1n })).rejects.toThrow(/BigInt|bigint/i);
  });
});

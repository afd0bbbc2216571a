import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { binaryFrame, PING_FRAME, pongFrame, textFrame } from './frame.js';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** A server that says 101 and then sends only what the spec writes: a real client reads our frames. */
describe('our frames, read by a WebSocket client', () => {
  const server = createServer();
  let socket: Socket;
  let client: WebSocket;

  beforeAll(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
    [socket] = (await once(server, 'connection')) as [Socket];
    const [request] = (await once(socket, 'data')) as [Buffer];
    const key = /sec-websocket-key: (.+)\r/i.exec(request.toString())?.[1] ?? '';
    const accept = createHash('sha1')
      .update(key + GUID)
      .digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    await once(client, 'open');
  });
  afterAll(() => {
    client.terminate();
    server.close();
  });

  async function received(event: string, frame: Uint8Array): Promise<unknown[]> {
    const arrival = once(client, event);
    socket.write(frame);
    return arrival as Promise<unknown[]>;
  }

  it.each([0, 1, 125, 126, 65_535, 65_536, 200_000])(
    'carry %i bytes of text and of anything',
    async (length) => {
      const payload = Buffer.alloc(length, 'x');
      expect(await received('message', textFrame(payload))).toEqual([payload, false]);
      expect(await received('message', binaryFrame(payload))).toEqual([payload, true]);
    },
  );

  it('are valid for any payload, and one after the other in one write', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 5 }),
        async (payloads) => {
          const messages: Buffer[] = [];
          const done = new Promise<void>((resolve) => {
            const take = (data: Buffer): void => {
              messages.push(data);
              if (messages.length < payloads.length) return;
              client.off('message', take);
              resolve();
            };
            client.on('message', take);
          });
          socket.write(Buffer.concat(payloads.map(binaryFrame)));
          await done;
          expect(messages).toEqual(payloads.map((payload) => Buffer.from(payload)));
        },
      ),
      { numRuns: 50 },
    ));

  it('ping, and answer a ping with its payload', async () => {
    expect(await received('ping', PING_FRAME)).toEqual([Buffer.alloc(0)]);
    expect(await received('pong', pongFrame(Buffer.from('payload')))).toEqual([Buffer.from('payload')]);
  });
});

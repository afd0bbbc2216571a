import { once } from 'node:events';
import { connect } from 'node:net';
import { type Connection, ConnectionRegistry, RealtimeService } from '@aerie/realtime';
import { openClient, type TestClient, upgradeRequest } from '@aerie/realtime/testing';
import { BadRequestException } from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { interval, map, type Observable, of, take, throwError } from 'rxjs';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { tokenFor } from './support/gateway.js';
import { type NestApp, startNestApp } from './support/nest-app.js';

const DEADLINE_MS = 2_000;
let release: () => void = () => undefined;

@WebSocketGateway({ path: '/ws' })
class Chatty {
  @SubscribeMessage('echo')
  echo(@MessageBody() data: unknown): unknown {
    return data;
  }

  @SubscribeMessage('wait')
  async wait(): Promise<string> {
    await new Promise<void>((resolve) => (release = resolve));
    return 'released';
  }

  @SubscribeMessage('count')
  count(): Observable<number> {
    return interval(5).pipe(
      take(3),
      map((index) => index + 1),
    );
  }

  @SubscribeMessage('once')
  once(): Observable<string> {
    return of('only');
  }

  @SubscribeMessage('break')
  break(): Observable<never> {
    return throwError(() => new BadRequestException('broken off'));
  }

  @SubscribeMessage('refuse')
  refuse(): never {
    throw new BadRequestException('not like this');
  }

  @SubscribeMessage('fail')
  fail(): never {
    throw new Error("a detail that is nobody else's business");
  }
}

let app: NestApp;
const clients: TestClient[] = [];
beforeAll(async () => {
  const limits = { messagesPerSecond: 1_000_000, messagesBurst: 1_000_000, handlerDeadlineMs: DEADLINE_MS };
  app = await startNestApp({ providers: [Chatty] }, { realtime: { limits } });
});
afterEach(() => {
  for (const client of clients.splice(0)) client[Symbol.dispose]();
});
afterAll(() => app.close());

async function connected(user = 'alice'): Promise<TestClient> {
  const client = await openClient(app.ws(), { token: tokenFor(user) });
  clients.push(client);
  await client.frame('$welcome');
  return client;
}

const isError = ({ error }: { error?: unknown }): boolean => error !== undefined;

describe('a reply', () => {
  it('carries the id of its message, a number or a string of up to 64 bytes', async () => {
    const client = await connected();
    for (const id of [0, -1, 1.5, 'a', '', 'x'.repeat(64)]) {
      client.socket.send(JSON.stringify({ event: 'echo', data: { nr: id }, id }));
      expect(await client.frame((frame) => frame.id === id)).toEqual({ id, data: { nr: id } });
    }
  });

  it.each([true, null, {}, [], 'x'.repeat(65), 'é'.repeat(33)])('is an error for the id %j', async (id) => {
    const client = await connected();
    client.socket.send(JSON.stringify({ event: 'echo', id }));
    expect(await client.frame(isError)).toMatchObject({ error: { code: 'bad_frame' } });
  });

  it('comes in the order of the messages', async () => {
    const client = await connected();
    await Promise.all(Array.from({ length: 50 }, (_, index) => client.request('echo', index)));
    const replies = client.received.filter(({ id }) => id !== undefined);
    expect(replies.map(({ data }) => data)).toEqual(Array.from({ length: 50 }, (_, index) => index));
  });

  it('is an error with a code where the handler refuses, and no more than that where it fails', async () => {
    const client = await connected();
    expect(await client.request('refuse')).toMatchObject({
      error: { code: 'invalid', message: 'not like this' },
    });
    expect((await client.request('fail')).error).toEqual({
      code: 'internal',
      message: 'Internal server error',
    });
    expect((await client.request('no.such.event')).error).toMatchObject({ code: 'unknown_event' });
    expect((await client.request('$nothing')).error).toMatchObject({ code: 'unknown_event' });
    expect((await client.request('$welcome')).error).toMatchObject({ code: 'unknown_event' });
  });

  it('is a timeout where the handler takes too long, and the next message is handled', async () => {
    const client = await connected();
    const waiting = client.request('wait');
    const next = client.request('echo', 'next');
    expect((await waiting).error).toMatchObject({ code: 'timeout' });
    expect(await next).toMatchObject({ data: 'next' });
    release();
  });
});

describe('a stream of replies', () => {
  it('sends more until it is done', async () => {
    const client = await connected();
    client.socket.send('{"event":"count","id":7}');
    const last = await client.frame(({ done }) => done === true);
    const frames = client.received.filter(({ id }) => id === 7);
    expect(frames.filter(({ more }) => more).map(({ data }) => data)).toEqual(
      [1, 2, 3].slice(0, frames.length - 1),
    );
    expect(frames.at(-1)).toBe(last);
    expect(frames.map(({ data }) => data).filter((data) => data !== undefined)).toEqual([1, 2, 3]);
  });

  it('of one value is a plain reply, and one that breaks ends with an error', async () => {
    const client = await connected();
    expect(await client.request('once')).toEqual({ id: 1, data: 'only' });
    expect(await client.request('break')).toMatchObject({ id: 2, error: { code: 'invalid' } });
  });
});

describe('a bad frame', () => {
  const secret = 'payload-that-must-not-come-back';
  it.each<[string, string | Buffer]>([
    ['no JSON', `{"event":"${secret}`],
    ['an array', `["${secret}"]`],
    ['a text', `"${secret}"`],
    ['null', 'null'],
    ['nothing', ''],
    ['no event', `{"data":"${secret}"}`],
    ['an event that is a number', `{"event":7,"data":"${secret}"}`],
    ['an event of 129 bytes', JSON.stringify({ event: secret.padEnd(129, 'x') })],
    ['an event with a control character', JSON.stringify({ event: `${secret}\n` })],
    ['JSON 65 deep', `{"event":"echo","data":${'['.repeat(64)}"${secret}"${']'.repeat(64)}}`],
    ['JSON 30,000 deep', `{"event":"echo","data":${'['.repeat(30_000)}`],
    ['binary garbage', Buffer.from([0xff, 0xfe, 0x00, 0x80])],
    ['binary no JSON', Buffer.from(secret)],
  ])(
    '(%s) gets an error of at most 256 bytes without its payload, and the connection lives',
    async (_what, data) => {
      const client = await connected();
      client.socket.send(data);
      const frame = await client.frame(isError);
      expect(frame.error?.code).toBe('bad_frame');
      expect(Buffer.byteLength(JSON.stringify(frame))).toBeLessThanOrEqual(256);
      expect(JSON.stringify(frame)).not.toContain(secret);
      expect(await client.request('echo', 1)).toMatchObject({ data: 1 });
    },
  );

  it('with an id that is long once escaped stays within 256 bytes', async () => {
    const client = await connected();
    client.socket.send(JSON.stringify({ event: 7, id: '\u0001'.repeat(64) }));
    expect(JSON.stringify(await client.frame(isError)).length).toBeLessThanOrEqual(256);
  });

  it('is none where its JSON is exactly 64 deep, binary, or in fragments', async () => {
    const client = await connected();
    client.socket.send(`{"event":"echo","id":1,"data":${'['.repeat(63)}${']'.repeat(63)}}`);
    await client.frame(({ id, error }) => id === 1 && error === undefined);
    client.socket.send(Buffer.from('{"event":"echo","id":2,"data":"bin"}'));
    expect(await client.frame(({ id }) => id === 2)).toMatchObject({ data: 'bin' });
    const text = '{"event":"echo","id":3,"data":"in pieces"}';
    for (const [index, letter] of text.split('').entries()) {
      client.socket.send(letter, { fin: index === text.length - 1 });
      if (index === 10) client.socket.ping();
    }
    expect(await client.frame(({ id }) => id === 3)).toMatchObject({ data: 'in pieces' });
  });

  it('never pollutes a prototype', async () => {
    const client = await connected();
    client.socket.send(
      '{"event":"echo","id":1,"__proto__":{"polluted":1},"data":{"__proto__":{"polluted":1}}}',
    );
    await client.frame(({ id }) => id === 1);
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });
});

describe('back-pressure', () => {
  it('stops reading at 64 waiting messages, loses none, and answers them in order', async () => {
    const client = await connected();
    const filler = 'x'.repeat(10_000);
    const waiting = client.request('wait');
    expect(await client.request('$ping')).toMatchObject({ event: '$pong' });
    const echoes = Array.from({ length: 400 }, () => client.request('echo', filler));
    const ping = client.request('$ping');
    const early = await Promise.race([ping, new Promise((resolve) => setTimeout(resolve, 500, 'unread'))]);
    expect(early).toBe('unread');
    release();
    expect(await waiting).toMatchObject({ data: 'released' });
    expect(await Promise.all(echoes)).toHaveLength(400);
    expect(await ping).toMatchObject({ event: '$pong' });
  });

  it('ends a client that stops reading with 4008, and keeps no more than its share for it', async () => {
    const client = await connected('slow');
    const [connection] = app.get(ConnectionRegistry).ofUser('slow');
    client.socket.pause();
    const realtime = app.get<RealtimeService>(RealtimeService);
    let most = 0;
    for (let sent = 0; sent < 200; sent += 1) {
      if (connection?.isOpen !== true) break;
      await realtime.user('slow').emit('big', 'x'.repeat(100_000));
      await new Promise((resolve) => setImmediate(resolve));
      most = Math.max(most, connection.bytesOwed);
    }
    expect(connection?.isOpen).toBe(false);
    expect(most).toBeLessThan(2 * 1024 * 1024);
    client.socket.resume();
    expect(await client.closed).toEqual({ code: 4008, reason: 'slow consumer' });
    await expect.poll(() => app.get(ConnectionRegistry).ofUser('slow').size).toBe(0);
  });

  it('cuts a slow client that does not even read its goodbye after 5 s', async () => {
    const client = await connected('deaf');
    client.socket.pause();
    const registry = app.get(ConnectionRegistry);
    const [connection] = registry.ofUser('deaf');
    await overfeed(connection, 'deaf');
    await expect.poll(() => registry.ofUser('deaf').size, { timeout: 7_000 }).toBe(0);
  });

  it('keeps at most one pong for a client that floods pings and reads nothing', async () => {
    const client = await connected('flooder');
    const [connection] = app.get(ConnectionRegistry).ofUser('flooder');
    client.socket.pause();
    for (let round = 0; round < 200; round += 1) {
      for (let pings = 0; pings < 500; pings += 1) client.socket.ping(Buffer.alloc(125));
      await new Promise((resolve) => setImmediate(resolve));
      expect(connection?.bytesOwed).toBeLessThan(128 * 1024);
    }
    await expect.poll(() => client.socket.bufferedAmount, { timeout: 10_000 }).toBe(0);
    client.socket.resume();
    expect(await client.request('echo', 'alive')).toMatchObject({ data: 'alive' });
  });
});

describe('the process', () => {
  it('outlives clients that reset the connection at any moment', async () => {
    const { port } = new URL(app.url());
    const request = upgradeRequest('/ws', `127.0.0.1:${port}`, { token: tokenFor('resetter') });
    for (const cut of [1, 10, request.length - 2, request.length]) {
      const sockets = Array.from({ length: 20 }, () => connect(Number(port), '127.0.0.1'));
      for (const socket of sockets) {
        socket.on('error', () => undefined);
        await once(socket, 'connect');
        socket.write(request.slice(0, cut), () => socket.resetAndDestroy());
      }
    }
    const client = await connected();
    expect(await client.request('echo', 1)).toMatchObject({ data: 1 });
    await vi.waitFor(() => expect(app.get(ConnectionRegistry).ofUser('resetter').size).toBe(0));
  });
});

// A publication leaves in the turn after it was made: without a pause the loop would only fill that one turn.
async function overfeed(connection: Connection | undefined, user: string): Promise<void> {
  for (let sent = 0; sent < 500; sent += 1) {
    if (connection?.isOpen !== true) return;
    await app.get<RealtimeService>(RealtimeService).user(user).emit('big', 'x'.repeat(100_000));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

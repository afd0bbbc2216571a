import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Refusal } from '../refusal.js';
import { HttpEdge } from './http-edge.js';

const server = createServer();
const edge = new HttpEdge();
let url = '';

beforeEach(async () => {
  edge.attach(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/echo`;
});

afterEach(async () => {
  vi.useRealTimers();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  edge.detach();
});

edge.add({
  method: 'POST',
  path: '/echo',
  handle: async ({ json }) => {
    const body = await json();
    return body instanceof Refusal ? body : { body: { echo: body } };
  },
});

async function post(body: BodyInit, headers: Record<string, string> = {}): Promise<[number, unknown]> {
  const response = await fetch(url, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  });
  return [response.status, await response.json()];
}

function refused(code: string): unknown {
  return { error: { code, message: expect.any(String) } };
}

function rawSocket(headers: string): Socket {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write(`POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n${headers}\r\n\r\n`);
  return socket;
}

describe('a JSON body', () => {
  it('is read up to 1 MiB, one byte more is 413', async () => {
    const fits = `"${'a'.repeat(1024 * 1024 - 2)}"`;
    expect((await post(fits))[0]).toBe(200);
    expect(await post(`${fits} `)).toEqual([413, refused('too_large')]);
  });

  it('is refused at once where its announced length is far too large', async () => {
    const socket = rawSocket('Content-Length: 99999999');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 413 .*connection: close/is);
    await once(socket, 'close');
  });

  it.each(['text/plain', 'application/json; charset=latin1', 'application/x-www-form-urlencoded', ''])(
    'is refused as %j',
    async (type) => {
      expect(await post('{}', { 'content-type': type })).toEqual([415, refused('invalid')]);
    },
  );

  it('is refused compressed', async () => {
    expect(await post('{}', { 'content-encoding': 'gzip' })).toEqual([415, refused('invalid')]);
    expect(await post('{}', { 'content-encoding': 'Identity' })).toEqual([200, { echo: {} }]);
  });

  it.each([
    ['nothing', ''],
    ['broken JSON', '{"a":'],
    ['invalid UTF-8', new Uint8Array([0x22, 0xff, 0x22])],
    ['JSON deeper than 64', '['.repeat(65) + ']'.repeat(65)],
  ])('is refused as %s', async (_what, body) => {
    expect(await post(body)).toEqual([400, refused('invalid')]);
  });

  it('is read with an explicit charset', async () => {
    expect(await post('"ä"', { 'content-type': 'application/json; charset=UTF-8' })).toEqual([
      200,
      { echo: 'ä' },
    ]);
  });

  it('that does not come within 10 s is 408', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const arrived = once(server, 'request-arrived');
    const remove = edge.add({
      method: 'POST',
      path: '/slow',
      handle: async ({ json }) => {
        const body = json();
        server.emit('request-arrived');
        return (await body) as Refusal;
      },
    });
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.write(
      'POST /slow HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n"',
    );
    await arrived;
    await vi.advanceTimersByTimeAsync(10_000);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 408 /);
    socket.destroy();
    remove();
  });

  it('that its sender abandons is a refusal, not a hang', async () => {
    const outcome = Promise.withResolvers<unknown>();
    const arrived = Promise.withResolvers<void>();
    const remove = edge.add({
      method: 'POST',
      path: '/gone',
      handle: async ({ json }) => {
        const body = json();
        arrived.resolve();
        outcome.resolve(await body);
        return undefined;
      },
    });
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.write(
      'POST /gone HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n"',
    );
    await arrived.promise;
    socket.destroy();
    expect(await outcome.promise).toBeInstanceOf(Refusal);
    remove();
  });
});

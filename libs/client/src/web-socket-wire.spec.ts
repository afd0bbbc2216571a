import { describe, expect, it, vi } from 'vitest';
import { JSON_CODEC } from './codec.js';
import { createCredentials, type CredentialOptions } from './credentials.js';
import type { Wire } from './wire.js';
import { dialWebSocket } from './web-socket-wire.js';
import type { WebSocketLike } from './web-socket.js';

const url = 'wss://api.example.com/ws?app=7';

/** A socket that opens when it is told to. */
class Socket implements WebSocketLike {
  static last: Socket;
  readonly bufferedAmount = 0;
  readonly sent: unknown[] = [];
  readonly url: string;
  readonly protocols: string[];
  open = (): void => undefined;

  constructor(address: string, protocols: string[]) {
    Socket.last = this;
    this.url = address;
    this.protocols = protocols;
  }

  addEventListener(type: string, listener: (event: never) => void): void {
    if (type === 'open') this.open = listener as () => void;
  }

  send(data: unknown): void {
    this.sent.push(JSON.parse(String(data)));
  }

  close(): void {}
}

const fetch = vi.fn<typeof globalThis.fetch>();

async function dial(options: CredentialOptions, address = url): Promise<{ wire: Wire; socket: Socket }> {
  const credentials = createCredentials(address, options);
  const credential = await credentials.obtain();
  const wire = dialWebSocket(
    { webSocket: Socket, fetch, codec: JSON_CODEC, credentials, credential },
    { received: vi.fn(), closed: vi.fn() },
  );
  Socket.last.open();
  return { wire, socket: Socket.last };
}

/** The question why it was not let in. */
async function question(wire: Wire): Promise<unknown> {
  fetch.mockReset().mockResolvedValue(new Response(null, { status: 426 }));
  await wire.why(new AbortController().signal);
  const [address, { headers, credentials } = {}] = fetch.mock.calls[0] ?? [];
  return { url: address, headers, credentials };
}

describe('a credential', () => {
  it('that can stand in no header is none there, and no browser quotes it in an error', async () => {
    const { socket } = await dial({ token: () => 'se cret(\n"é', tokenVia: 'subprotocol' });
    expect(socket.protocols).toEqual(['aerie.v1.json', 'aerie.bearer.se_cret____']);
  });

  it('that is a token stays out of the address and goes as the first message', async () => {
    const { wire, socket } = await dial({ token: () => 'jwt' });
    expect(socket).toMatchObject({ url, protocols: ['aerie.v1.json'] });
    expect(socket.sent).toEqual([{ event: '$auth', data: { token: 'jwt' }, id: 0 }]);
    expect(await question(wire)).toEqual({
      url: 'https://api.example.com/ws?app=7',
      headers: {},
      credentials: 'same-origin',
    });
  });

  it('is offered as a subprotocol', async () => {
    const { wire, socket } = await dial({ token: () => 'jwt', tokenVia: 'subprotocol' });
    expect(socket).toMatchObject({ url, protocols: ['aerie.v1.json', 'aerie.bearer.jwt'], sent: [] });
    expect(await question(wire)).toMatchObject({ headers: { authorization: 'Bearer jwt' } });
  });

  it('stands in the query, of the question too', async () => {
    const { wire, socket } = await dial({ token: () => 'a+b', tokenVia: 'query' });
    expect(socket).toMatchObject({ url: `${url}&token=a%2Bb`, sent: [] });
    expect(await question(wire)).toMatchObject({
      url: 'https://api.example.com/ws?app=7&token=a%2Bb',
      headers: {},
    });
  });

  it('that is a ticket stands in the query; the question needs another', async () => {
    let count = 0;
    const { wire, socket } = await dial({ ticket: () => `t${(count += 1)}` });
    expect(socket).toMatchObject({ url: `${url}&ticket=t1`, protocols: ['aerie.v1.json'], sent: [] });
    expect(await question(wire)).toMatchObject({ url: 'https://api.example.com/ws?app=7&ticket=t2' });
  });

  it('is left to the cookie where none is given', async () => {
    const { wire, socket } = await dial({}, 'http://localhost:3000/ws');
    expect(socket).toMatchObject({
      url: 'ws://localhost:3000/ws',
      protocols: ['aerie.v1.json'],
      sent: [],
    });
    expect(await question(wire)).toMatchObject({ credentials: 'include' });
  });
});

describe('the question why', () => {
  it('never follows a redirect, and ends with its signal', async () => {
    const { wire } = await dial({ token: () => 'jwt', tokenVia: 'query' });
    fetch.mockReset().mockResolvedValue(new Response(null, { status: 503, headers: { 'retry-after': '7' } }));
    const { signal } = new AbortController();
    expect(await wire.why(signal)).toEqual({ status: 503, afterMs: 7_000, error: undefined });
    expect(fetch.mock.calls[0]?.[1]).toMatchObject({ redirect: 'error', cache: 'no-store', signal });
  });
});

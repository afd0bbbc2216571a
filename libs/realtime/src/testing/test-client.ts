import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { MSGPACK_SUBPROTOCOL } from '@aerie/protocol';
import { decode, encode } from '@msgpack/msgpack';
import { WebSocket } from 'ws';
import { FrameQueue, type FramePredicate, type ReceivedFrame } from './frame-queue.js';

/** More than a server takes to refuse a slow handshake. */
const HANDSHAKE_MS = 15_000;

export interface TestClientOptions {
  /** Goes out as `Authorization: Bearer`. */
  readonly token?: string;
  /** Subprotocols to offer; where the server chooses `aerie.v1.msgpack`, frames are that. */
  readonly protocols?: readonly string[];
  /** Whether permessage-deflate is offered. Default false. */
  readonly compression?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  /** How long `frame` and `request` wait. Default 5,000 ms. */
  readonly timeoutMs?: number;
  /** Whether pings are answered. Default true. */
  readonly autoPong?: boolean;
}

export interface ClosedWith {
  readonly code: number;
  readonly reason: string;
}

/** The server answered the upgrade with something else than 101. */
export class UpgradeRefused extends Error {
  override readonly name = 'UpgradeRefused';

  constructor(
    readonly status: number,
    readonly headers: IncomingMessage['headers'],
    readonly body: string,
  ) {
    super(`the upgrade was refused with ${status}: ${body}`);
  }
}

/** Connects; resolves after the 101. Rejects with `UpgradeRefused` where the server says no. */
export async function openClient(url: string, options: TestClientOptions = {}): Promise<TestClient> {
  const { token, protocols = [], headers = {}, autoPong = true, compression = false } = options;
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const socket = new WebSocket(url, [...protocols], {
    headers: { ...authorization, ...headers },
    perMessageDeflate: compression,
    handshakeTimeout: HANDSHAKE_MS,
    autoPong,
  });
  const client = new TestClient(socket, options.timeoutMs);
  const { promise: refused, reject } = Promise.withResolvers<never>();
  socket.once('unexpected-response', (_request, response) => void readRefusal(response).then(reject, reject));
  await Promise.race([once(socket, 'open'), refused]);
  socket.on('error', () => undefined);
  return client;
}

async function readRefusal(response: IncomingMessage): Promise<UpgradeRefused> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return new UpgradeRefused(
    response.statusCode ?? 0,
    response.headers,
    Buffer.concat(chunks).toString('utf8'),
  );
}

/** A plain client of the wire protocol: what it sends is up to the test, what it gets waits in a queue. */
export class TestClient {
  /** Resolves with what ended the connection: 1006 where nobody said goodbye. */
  readonly closed: Promise<ClosedWith>;
  /** How many frames of the server were binary. */
  binaryFrames = 0;
  readonly #frames = new FrameQueue();
  readonly #timeoutMs: number;
  #connection: Socket | undefined;
  #lastId = 0;

  constructor(
    /** The socket of `ws` itself. */
    readonly socket: WebSocket,
    timeoutMs = 5_000,
  ) {
    this.#timeoutMs = timeoutMs;
    const { promise, resolve } = Promise.withResolvers<ClosedWith>();
    this.closed = promise;
    socket.once('upgrade', (response) => (this.#connection = response.socket));
    socket.on('message', (data: Buffer, isBinary) => this.#receive(data, isBinary));
    socket.once('close', (code, reason) => {
      this.#frames.end(new Error(`the connection was closed with ${code}`));
      resolve({ code, reason: reason.toString('utf8') });
    });
  }

  /** Everything that arrived so far. */
  get received(): readonly ReceivedFrame[] {
    return this.#frames.all;
  }

  /** The first frame that matches and was not taken before, now or within `timeoutMs`. */
  frame(predicate: FramePredicate, timeoutMs = this.#timeoutMs): Promise<ReceivedFrame> {
    return this.#frames.take(predicate, timeoutMs);
  }

  /** Sends a message that wants no reply. */
  send(event: string, data?: unknown): void {
    this.#say({ event, data });
  }

  /** Sends a message with an id of its own; resolves with the reply, errors included. */
  request(event: string, data?: unknown): Promise<ReceivedFrame> {
    this.#lastId += 1;
    const id = this.#lastId;
    this.#say({ event, data, id });
    return this.frame((frame) => frame.id === id);
  }

  /** Writes what `ws` would not: whole frames of the test's own making, for a client of `openClient`. */
  sendRaw(bytes: Uint8Array): void {
    this.#connection?.write(bytes);
  }

  #say(message: object): void {
    const isMsgpack = this.socket.protocol === MSGPACK_SUBPROTOCOL;
    this.socket.send(isMsgpack ? encode(message, { ignoreUndefined: true }) : JSON.stringify(message));
  }

  async close(code = 1000): Promise<ClosedWith> {
    this.socket.close(code);
    return this.closed;
  }

  [Symbol.dispose](): void {
    this.socket.terminate();
  }

  // A server that sends anything else is no server of this protocol: whoever waits is told so.
  #receive(data: Buffer, isBinary: boolean): void {
    this.binaryFrames += Number(isBinary);
    const frame = parseFrame(data, isBinary);
    if (frame !== undefined) return this.#frames.push(frame);
    this.#frames.end(new Error(`the server sent what is no ${isBinary ? 'MessagePack' : 'JSON'}`));
    this.socket.terminate();
  }
}

function parseFrame(data: Buffer, isBinary: boolean): ReceivedFrame | undefined {
  try {
    const value: unknown = isBinary ? decode(new Uint8Array(data)) : JSON.parse(data.toString('utf8'));
    // A handler of a message without an id may return any value, which is a frame of its own.
    return value ?? undefined;
  } catch {
    return undefined;
  }
}

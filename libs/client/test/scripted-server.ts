import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decode } from '@msgpack/msgpack';
import { WebSocketServer, type WebSocket } from 'ws';

export interface Frame {
  readonly event?: string;
  readonly id?: number;
  readonly data?: Record<string, unknown>;
}

/** An HTTP answer instead of the upgrade; also what the dry run gets. */
export interface Refused {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly code?: string;
}

/** A WebSocket server that does nothing by itself: the spec says what it answers. */
export class ScriptedServer {
  readonly upgrades: IncomingMessage[] = [];
  readonly dryRuns: IncomingMessage[] = [];
  readonly peers: Peer[] = [];
  /** Refuses upgrades; the dry run is answered 426 where this is undefined. */
  refusal: Refused | undefined;
  /** What the dry run answers, where it differs from the refusal of the upgrade. */
  dryRunAnswer: Refused | undefined;
  /** Runs for each connection before the next line of the spec. */
  greet: (peer: Peer) => void = (peer) => peer.welcome();
  readonly #http: Server;
  /** The subprotocol that it chooses of those offered. Default: the first. */
  choose: (offered: readonly string[]) => string | undefined = ([first]) => first;
  readonly #sockets = new WebSocketServer({
    noServer: true,
    handleProtocols: (offered) => this.choose([...offered]) ?? false,
  });
  readonly #waiting: ((peer: Peer) => void)[] = [];

  private constructor() {
    this.#http = createServer((request, response) => this.#answer(request, response));
    this.#http.on('upgrade', (request, socket, head) => {
      this.upgrades.push(request);
      // A client that gave up in between resets it.
      socket.on('error', () => undefined);
      if (this.refusal) socket.end(`HTTP/1.1 ${this.refusal.status} No\r\nConnection: close\r\n\r\n`);
      else this.#sockets.handleUpgrade(request, socket, head, (ws) => this.#accept(ws));
    });
  }

  static async start(): Promise<ScriptedServer> {
    const server = new ScriptedServer();
    server.#http.listen(0, '127.0.0.1');
    await once(server.#http, 'listening');
    return server;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#http.address() as AddressInfo).port}/ws`;
  }

  /** The next connection that nobody asked for yet, in the order of arrival. */
  connection(): Promise<Peer> {
    const known = this.peers.find((peer) => !peer.taken);
    if (known) return Promise.resolve(known.take());
    return new Promise((resolve) => this.#waiting.push((peer) => resolve(peer.take())));
  }

  async stop(): Promise<void> {
    for (const peer of this.peers) peer.socket.terminate();
    this.#http.closeAllConnections();
    this.#http.close();
    await once(this.#http, 'close');
  }

  #accept(socket: WebSocket): void {
    const peer = new Peer(socket);
    this.peers.push(peer);
    this.greet(peer);
    this.#waiting.shift()?.(peer);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.dryRuns.push(request);
    const { status, headers = {}, code } = this.dryRunAnswer ?? this.refusal ?? { status: 426 };
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(code ? JSON.stringify({ error: { code, message: `no: ${code}` } }) : undefined);
  }
}

/** The server's end of one connection. */
export class Peer {
  readonly socket: WebSocket;
  readonly frames: Frame[] = [];
  readonly closed: Promise<number>;
  taken = false;
  readonly #read = new Set<Frame>();
  readonly #waiting = new Set<() => void>();

  constructor(socket: WebSocket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.on('close', resolve));
    socket.on('message', (data: Buffer, isBinary) => {
      this.frames.push((isBinary ? decode(new Uint8Array(data)) : JSON.parse(data.toString())) as Frame);
      for (const wake of Array.from(this.#waiting)) wake();
    });
  }

  get events(): (string | undefined)[] {
    return this.frames.map(({ event }) => event);
  }

  take(): this {
    this.taken = true;
    return this;
  }

  /** The next unread frame of that event, or the next at all. */
  async receive(event?: string): Promise<Frame> {
    for (;;) {
      const frame = this.frames.find(
        (one) => !this.#read.has(one) && (event === undefined || one.event === event),
      );
      if (frame) {
        this.#read.add(frame);
        return frame;
      }
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  /** Answers the next frame of that event. */
  async reply(event: string, answer: Record<string, unknown>): Promise<Frame> {
    const frame = await this.receive(event);
    this.send({ id: frame.id, ...answer });
    return frame;
  }

  send(frame: unknown): void {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  welcome(fields: Record<string, unknown> = {}): void {
    const data = {
      connection: 'c1',
      user: 'alice',
      node: 'n1',
      expiresAt: null,
      heartbeat: { intervalMs: 30_000, timeoutMs: 10_000 },
      maxFrameBytes: 65_536,
      transport: 'websocket',
      channels: {},
      ...fields,
    };
    this.send({ event: '$welcome', data });
  }

  close(code: number, reason = ''): void {
    this.socket.close(code, reason);
  }

  /** Ends without a close frame: the client sees 1006. */
  cut(): void {
    this.socket.terminate();
  }
}

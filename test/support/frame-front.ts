import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  request as ask,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ClosedWith, ReceivedFrame } from '@aerie/realtime/testing';
import { WebSocket, WebSocketServer } from 'ws';

export type Frame = ReceivedFrame & Readonly<Record<string, unknown>>;

/** What a front makes of one connection. */
export interface Passage {
  /** Of a text from the client: what the server gets. */
  readonly up?: (text: string) => readonly string[];
  /** Of a frame from the server: what the client gets. */
  readonly down?: (frame: Frame) => readonly object[];
  readonly closes?: (close: ClosedWith) => ClosedWith;
  /** The client's end. */
  readonly opens?: (socket: WebSocket) => void;
}

/** @param answer Sends the client a frame that the server knows nothing of. */
export type FrameFault = (answer: (frame: object) => void) => Passage;

/** A server that gets frames wrong: it stands before a good one, whose plain requests it passes on. */
export class FrameFront {
  readonly #http: Server = createServer((request, response) => this.#pass(request, response));
  readonly #sockets: WebSocketServer;
  readonly #upstream = new Set<WebSocket>();

  private constructor(
    readonly target: number,
    readonly fault: FrameFault,
  ) {
    this.#sockets = new WebSocketServer({ noServer: true });
    this.#http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  static async start(target: number, fault: FrameFault): Promise<FrameFront> {
    const front = new FrameFront(target, fault);
    await once(front.#http.listen(0, '127.0.0.1'), 'listening');
    return front;
  }

  get port(): number {
    return (this.#http.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of [...this.#sockets.clients, ...this.#upstream]) socket.terminate();
    this.#http.close();
    this.#http.closeAllConnections();
    await once(this.#http, 'close');
  }

  #pass(request: IncomingMessage, response: ServerResponse): void {
    const { method, url: path, headers } = request;
    const onward = ask(
      { port: this.target, host: '127.0.0.1', method, path, headers, agent: false },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { authorization } = request.headers;
    const headers = authorization === undefined ? {} : { authorization };
    const server = new WebSocket(`ws://127.0.0.1:${this.target}${request.url}`, { headers });
    this.#upstream.add(server);
    server.on('error', () => socket.destroy());
    server.on('close', () => this.#upstream.delete(server));
    server.once('open', () => {
      server.pause();
      this.#sockets.handleUpgrade(request, socket, head, (client) => this.#join(client, server));
    });
  }

  #join(client: WebSocket, server: WebSocket): void {
    const answer = (frame: object): void => client.send(JSON.stringify(frame));
    const { up = same, down = same, closes = (close) => close, opens } = this.fault(answer);
    opens?.(client);
    client.on('error', () => undefined);
    client.on('message', (data: Buffer) => {
      for (const text of up(data.toString('utf8'))) server.send(text);
    });
    client.on('close', () => server.terminate());
    server.on('message', (data: Buffer) => {
      for (const frame of down(JSON.parse(data.toString('utf8')) as Frame)) answer(frame);
    });
    server.on('close', (code, reason) => {
      const close = closes({ code, reason: reason.toString('utf8') });
      if (close.code !== 1006) client.close(close.code, close.reason);
    });
    server.resume();
  }
}

function same<Value>(value: Value): readonly Value[] {
  return [value];
}

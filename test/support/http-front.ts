import { createServer, request as ask, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** What becomes of WebSockets: they pass, are reset, or are opened and reset before anything goes through. */
export type Upgrades = 'pass' | 'reset' | 'cut';

/** A proxy of HTTP as companies have them: what is plain HTTP passes, WebSockets may not. */
export class HttpFront {
  upgrades: Upgrades = 'pass';
  /** Paths that are answered with 404. */
  missing: readonly string[] = [];
  /** Every request and upgrade, as `GET /sse`. */
  readonly seen: string[] = [];
  readonly #server = createServer((request, response) => this.#pass(request, response));
  readonly #sockets = new Set<Duplex>();

  private constructor(public target: number) {
    this.#server.on('connection', (socket: Socket) => this.#keep(socket));
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, { socket, head }));
  }

  static async start(target: number): Promise<HttpFront> {
    const front = new HttpFront(target);
    front.#server.listen(0, '127.0.0.1');
    await once(front.#server, 'listening');
    return front;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get ws(): string {
    return `ws://127.0.0.1:${this.port}/ws`;
  }

  /** Resets every connection that there is. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #keep(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #pass(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url?.split('?')[0] ?? '';
    this.seen.push(`${request.method} ${path}`);
    if (this.missing.includes(path)) {
      response.writeHead(404).end();
      return;
    }
    const { method, url, headers } = request;
    const onward = ask({ host: '127.0.0.1', port: this.target, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      response.flushHeaders();
      answer.on('error', () => response.destroy());
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  }

  #upgrade(
    request: IncomingMessage,
    { socket, head }: { readonly socket: Duplex; readonly head: Buffer },
  ): void {
    this.seen.push(`UPGRADE ${request.url?.split('?')[0]}`);
    if (this.upgrades === 'reset') return void socket.destroy();
    const onward = connect(this.target, '127.0.0.1');
    this.#keep(onward);
    const lines = Array.from({ length: request.rawHeaders.length / 2 }, (_, index) =>
      request.rawHeaders.slice(index * 2, index * 2 + 2).join(': '),
    );
    onward.write(`GET ${request.url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
    onward.write(head);
    onward.on('close', () => socket.destroy());
    socket.on('close', () => onward.destroy());
    socket.pipe(onward);
    if (this.upgrades === 'pass') onward.pipe(socket);
    else
      onward.once('data', (data: Buffer) => {
        const end = data.indexOf('\r\n\r\n') + 4;
        socket.write(data.subarray(0, end), () => socket.destroy());
      });
  }
}

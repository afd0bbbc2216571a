import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';

/** Requests as Node's own parser makes them of what is written to a socket, duplicate headers and all. */
export class ReceivedRequests {
  readonly #server: Server = createServer();
  readonly #clients: Socket[] = [];

  /** Sends header lines verbatim; a `Host` is added unless one of them is one. The socket stays open until `close`. */
  async receive(
    target: string,
    headerLines: readonly string[] = [],
    method = 'GET',
  ): Promise<IncomingMessage> {
    if (!this.#server.listening) await once(this.#server.listen(0, '127.0.0.1'), 'listening');
    const client = connect((this.#server.address() as AddressInfo).port, '127.0.0.1');
    this.#clients.push(client);
    const host = headerLines.some((line) => /^host:/i.test(line)) ? [] : ['Host: aerie.test'];
    const arrival = once(this.#server, 'request') as Promise<[IncomingMessage]>;
    client.write([`${method} ${target} HTTP/1.1`, ...host, ...headerLines, '', ''].join('\r\n'));
    const [request] = await arrival;
    return request;
  }

  close(): void {
    for (const client of this.#clients.splice(0)) client.destroy();
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

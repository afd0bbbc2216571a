import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** What a front makes of the heads that go through it: of requests, and of the answers to them. */
export interface HeadFault {
  readonly asks?: (head: string) => string;
  readonly answers?: (head: string, asked: string) => string;
}

const END = '\r\n\r\n';

/** A server that gets the heads of HTTP wrong: it stands before a good one. */
export class HeadFront {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(
    readonly target: number,
    readonly fault: HeadFault,
  ) {
    this.#server = createServer((client) => this.#open(client));
  }

  static async start(target: number, fault: HeadFault): Promise<HeadFront> {
    const front = new HeadFront(target, fault);
    await once(front.#server.listen(0, '127.0.0.1'), 'listening');
    return front;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #open(client: Socket): void {
    const server = connect(this.target, '127.0.0.1');
    const { asks = same, answers = same } = this.fault;
    let asked = '';
    passOn(client, server, (head) => {
      asked = head;
      return asks(forOne(head));
    });
    passOn(server, client, (head) => answers(head, asked));
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        this.#sockets.delete(one);
        other.end();
      });
    }
  }
}

/** Pipes, and changes the head that comes first. */
function passOn(from: Socket, to: Socket, change: (head: string) => string): void {
  let waiting: string | undefined = '';
  from.on('data', (chunk: Buffer) => {
    if (waiting === undefined) {
      to.write(chunk);
      return;
    }
    waiting += chunk.toString('latin1');
    const end = waiting.indexOf(END);
    if (end < 0) return;
    to.write(change(waiting.slice(0, end)) + waiting.slice(end), 'latin1');
    waiting = undefined;
  });
}

// A connection takes one request: the heads of more would pass.
function forOne(head: string): string {
  return /^upgrade:/im.test(head) ? head : `${head.replace(/\r\nconnection:.*/i, '')}\r\nconnection: close`;
}

function same(head: string): string {
  return head;
}

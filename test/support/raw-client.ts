import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { clientFrame, upgradeRequest } from '@aerie/realtime/testing';

export interface RawClientOptions {
  readonly port: number;
  readonly token: string;
  /** A loopback address of one's own, where one has not ports enough. */
  readonly localAddress?: string;
}

/** A WebSocket client with nothing behind it: it answers no ping, no goodbye, and reads only when told to. */
export class RawClient {
  bytesRead = 0;
  readonly closed: Promise<unknown>;

  constructor(readonly socket: Socket) {
    this.closed = new Promise((resolve) => {
      socket.once('close', resolve);
    });
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => (this.bytesRead += chunk.byteLength));
  }

  get isOpen(): boolean {
    return !this.socket.destroyed;
  }

  send(event: string, data?: unknown): void {
    this.socket.write(clientFrame(0x1, Buffer.from(JSON.stringify({ event, data }))));
  }

  /** Reads about `bytesPerTick` every `tickMs` from now on; returns what stops that. */
  readSlowly(bytesPerTick: number, tickMs: number): () => void {
    this.socket.pause();
    let allowance = 0;
    this.socket.on('data', (chunk: Buffer) => {
      allowance -= chunk.byteLength;
      if (allowance <= 0) this.socket.pause();
    });
    const timer = setInterval(() => {
      allowance = Math.min(bytesPerTick, allowance + bytesPerTick);
      if (allowance > 0) this.socket.resume();
    }, tickMs);
    return () => clearInterval(timer);
  }
}

/** Opens one; resolves after the 101, rejects with the status line of a refusal. */
export async function openRaw({ port, token, localAddress }: RawClientOptions): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1', ...(localAddress !== undefined && { localAddress }) });
  socket.write(upgradeRequest('/ws', `127.0.0.1:${port}`, { token }));
  const [first] = (await once(socket, 'data')) as [Buffer];
  const [statusLine = ''] = first.toString('latin1').split('\r\n', 1);
  const client = new RawClient(socket);
  if (statusLine.includes(' 101 ')) return client;
  socket.destroy();
  throw new Error(statusLine);
}

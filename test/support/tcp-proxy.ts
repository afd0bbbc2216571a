import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/**
 * `pass`: bytes go both ways. `mute`: the server hears the client, which hears nothing. `blackhole`: connections are
 * accepted and stay open, but nothing goes through, as with a half-open peer. `cut`: connections are reset at once.
 */
export type ProxyMode = 'pass' | 'mute' | 'blackhole' | 'cut';

export interface TcpProxy {
  readonly port: number;
  readonly connections: number;
  readonly bytesToServer: number;
  readonly bytesToClient: number;
  /** For the connections that exist and those to come. */
  setMode(mode: ProxyMode): void;
  /** Where connections to come lead; those that exist stay. */
  setTarget(port: number): void;
  /** Swallows everything on the existing connections whose client has sent this text so far (in the first 4 KiB). */
  silence(text: string): number;
  /** Resets every connection and stops listening. */
  close(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  opening: string;
  silent: boolean;
}

const OPENING_BYTES = 4_096;

/** A TCP proxy on a free port of 127.0.0.1 in front of `targetPort`. */
export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  const count = { toServer: 0, toClient: 0 };
  let mode: ProxyMode = 'pass';
  let target = targetPort;

  const listener = createServer((client) => {
    if (mode === 'cut') {
      client.resetAndDestroy();
      return;
    }
    const server = connect(target, '127.0.0.1');
    const pair: Pair = { client, server, opening: '', silent: false };
    const end = (): void => {
      pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    pairs.add(pair);
    // An end is no more seen through a hole than bytes are.
    const serverEnded = (): void => void (mode === 'blackhole' || pair.silent || end());
    client.setNoDelay(true).on('error', end).on('close', end);
    server.setNoDelay(true).on('error', serverEnded).on('close', serverEnded);
    client.on('data', (data) => {
      if (pair.opening.length < OPENING_BYTES) pair.opening += data.toString('latin1');
      if (mode === 'blackhole' || pair.silent) return;
      count.toServer += data.byteLength;
      server.write(data);
    });
    server.on('data', (data) => {
      if (mode === 'mute' || mode === 'blackhole' || pair.silent) return;
      count.toClient += data.byteLength;
      client.write(data);
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');

  const reset = (): void => {
    for (const { client } of pairs) client.resetAndDestroy();
  };
  return {
    port: (listener.address() as AddressInfo).port,
    get connections() {
      return pairs.size;
    },
    get bytesToServer() {
      return count.toServer;
    },
    get bytesToClient() {
      return count.toClient;
    },
    setMode: (next) => {
      // A half-open connection stays dead: what went missing can't be made up for later.
      if (mode === 'mute' || mode === 'blackhole') for (const pair of pairs) pair.silent = true;
      mode = next;
      if (mode === 'cut') reset();
    },
    setTarget: (port) => {
      target = port;
    },
    silence: (text) => {
      const matching = [...pairs].filter(({ opening, silent }) => !silent && opening.includes(text));
      for (const pair of matching) pair.silent = true;
      return matching.length;
    },
    close: async () => {
      listener.close();
      reset();
      if (listener.listening) await once(listener, 'close');
    },
  };
}

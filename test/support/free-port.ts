import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** Below 32,768, where Linux takes the ports of outgoing connections from: those may be taken a moment later. */
const FIRST = 16_384;
const LAST = 32_767;

/** A TCP port of 127.0.0.1 that nobody listens on right now, and that no outgoing connection is given. */
export async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer().listen(randomInt(FIRST, LAST + 1), '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') continue;
      throw error;
    }
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    return port;
  }
}

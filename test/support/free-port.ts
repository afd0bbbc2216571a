import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * From 16,384 up to 32,768, where Linux takes the ports of outgoing connections from: those may be taken a moment later. Each
 * worker of the test runner has some of its own, so that two of them don't find the same one free.
 */
const PORTS = 2_048;
const FIRST = 16_384 + (Number(process.env['VITEST_POOL_ID'] ?? 0) % 8) * PORTS;
let drawn = randomInt(PORTS);

/** A TCP port of 127.0.0.1 that nobody listens on right now, and another one the next time. */
export async function freePort(): Promise<number> {
  for (;;) {
    drawn = (drawn + 1) % PORTS;
    const port = FIRST + drawn;
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') continue;
      throw error;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}

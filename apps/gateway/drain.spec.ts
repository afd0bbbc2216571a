import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';

const SCRIPT = fileURLToPath(new URL('drain.ts', import.meta.url));

describe('drain.js, the preStop hook', () => {
  let server: Server | undefined;

  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
    server = undefined;
  });

  async function gateway(listener: RequestListener): Promise<number> {
    server = createServer(listener).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening on a port');
    return address.port;
  }

  function run(env: Record<string, string>): Promise<{ code: number | null; output: string }> {
    return new Promise((resolve) => {
      const child = execFile(process.execPath, [SCRIPT], { env }, (_error, output) =>
        resolve({ code: child.exitCode, output }),
      );
    });
  }

  it('waits until the gateway is drained and exits 0', async () => {
    const asked: string[] = [];
    const port = await gateway((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      setTimeout(() => response.end('{"state":"drained"}'), 300);
    });
    const { code, output } = await run({ INTERNAL_PORT: String(port) });
    expect({ code, output, asked }).toEqual({
      code: 0,
      output: 'drained\n',
      asked: ['POST /internal/drain?wait=1'],
    });
  });

  it('takes the port after PORT where no INTERNAL_PORT is set', async () => {
    const port = await gateway((_request, response) => response.end());
    const { output } = await run({ PORT: String(port - 1) });
    expect(output).toBe('drained\n');
  });

  it('exits 0 with a message when the gateway is gone already', async () => {
    const port = await gateway(() => undefined);
    server?.close();
    const { code, output } = await run({ INTERNAL_PORT: String(port) });
    expect(code).toBe(0);
    expect(output).toContain('nothing to wait for: connect ECONNREFUSED');
  });

  it('exits 0 when the gateway dies meanwhile', async () => {
    const port = await gateway((request) => request.socket.destroy());
    expect(await run({ INTERNAL_PORT: String(port) })).toMatchObject({ code: 0 });
  });

  it('waits no longer than window, lame duck and 10 s together', async () => {
    const port = await gateway(() => undefined);
    const { code, output } = await run({ INTERNAL_PORT: String(port), DRAIN_WINDOW_MS: '-9800' });
    expect(code).toBe(0);
    expect(output).toContain('not drained within 200 ms');
  });
});

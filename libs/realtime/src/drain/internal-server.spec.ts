import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ConnectionRegistry } from '../connections/connection-registry.js';
import { Drain } from './drain.js';
import { InternalServer } from './internal-server.js';

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

describe('InternalServer', () => {
  let server: InternalServer;
  let drain: Drain;
  let exit: ReturnType<typeof vi.spyOn>;

  beforeEach(async () => {
    exit = vi.spyOn(process, 'exit').mockImplementation(() => {
      throw new Error('must not exit');
    });
    const admission = { state: 'open', beginLameDuck: () => undefined, closeDoor: () => undefined } as const;
    drain = new Drain({ registry: new ConnectionRegistry(), admission }, { windowMs: 1_000, lameDuckMs: 50 });
    server = new InternalServer({ drain, port: 0 });
    await server.onApplicationBootstrap();
  });

  afterEach(async () => {
    await server.onApplicationShutdown();
    expect(exit).not.toHaveBeenCalled();
    exit.mockRestore();
  });

  function ask(method: string, path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        { host: '127.0.0.1', port: server.port, method, path, headers },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }));
        },
      );
      request.on('error', reject).end();
    });
  }

  it('starts the drain and answers 202 with its state', async () => {
    expect(await ask('POST', '/internal/drain')).toMatchObject({
      status: 202,
      body: { state: 'lame-duck', remaining: 0 },
    });
    await drain.begin();
  });

  it('answers ?wait=1 when the drain is over', async () => {
    expect(await ask('POST', '/internal/drain?wait=1')).toMatchObject({
      status: 200,
      body: { state: 'drained' },
    });
  });

  it('joins a drain that runs', async () => {
    void drain.begin();
    const { body } = await ask('POST', '/internal/drain');
    expect(body['startedAt']).toBe(drain.report.startedAt);
    await drain.begin();
  });

  it('shows the state without changing it', async () => {
    expect(await ask('GET', '/internal/state')).toEqual({
      status: 200,
      body: { state: 'idle', remaining: 0, startedAt: null },
    });
    expect(drain.phase).toBe('idle');
  });

  it('refuses any other method and path', async () => {
    expect((await ask('GET', '/internal/drain')).status).toBe(405);
    expect((await ask('POST', '/internal/state')).status).toBe(405);
    expect((await ask('POST', '/')).status).toBe(404);
    expect(drain.phase).toBe('idle');
  });

  it('refuses a host name that was rebound to this machine, and every browser', async () => {
    expect((await ask('POST', '/internal/drain', { host: 'evil.example' })).status).toBe(403);
    expect((await ask('POST', '/internal/drain', { host: '127.0.0.1.evil.example' })).status).toBe(403);
    expect((await ask('POST', '/internal/drain', { origin: 'http://localhost' })).status).toBe(403);
    expect(drain.phase).toBe('idle');
    expect((await ask('GET', '/internal/state', { host: `localhost:${server.port}` })).status).toBe(200);
  });

  it('holds a few connections at a time: descriptors are for clients', async () => {
    const idlers = Array.from({ length: 40 }, () => connect(server.port, '127.0.0.1'));
    let open = idlers.length;
    for (const socket of idlers) socket.on('error', () => undefined).on('close', () => (open -= 1));
    for (const socket of idlers) socket.resume();
    await vi.waitFor(() => expect(open).toBe(8));
    for (const socket of idlers) socket.destroy();
    await vi.waitFor(async () => expect((await ask('GET', '/internal/state')).status).toBe(200));
  });

  it('does not start on a port that is taken', async () => {
    await expect(new InternalServer({ drain, port: server.port }).onApplicationBootstrap()).rejects.toThrow(
      'EADDRINUSE',
    );
  });
});

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';

const APP = fileURLToPath(new URL('support/signalled-app.ts', import.meta.url));
const SOURCES = fileURLToPath(new URL('support/typescript-sources.mjs', import.meta.url));

/** The application in a process of its own, and what it says. */
class RunningApp {
  readonly lines: string[] = [];
  readonly child: ChildProcess;
  readonly exited: Promise<unknown>;

  constructor(env: Record<string, string>) {
    this.child = spawn(process.execPath, ['--conditions=@aerie/source', '--import', SOURCES, APP], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    this.exited = once(this.child, 'exit');
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.lines.push(...text.split('\n').filter((line) => line !== ''));
    });
  }

  async says(line: string): Promise<void> {
    await vi.waitFor(() => expect(this.lines).toContain(line), { timeout: 20_000 });
  }

  async end(): Promise<{ code: number | null; signal: string | null }> {
    await this.exited;
    return { code: this.child.exitCode, signal: this.child.signalCode };
  }
}

describe('drainOnSignals, in a process of its own', () => {
  let app: RunningApp | undefined;
  afterEach(() => void app?.child.kill('SIGKILL'));

  async function start(env: Record<string, string> = {}): Promise<RunningApp> {
    app = new RunningApp(env);
    await app.says('ready');
    return app;
  }

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'drains on %s before anything is destroyed, and exits 0',
    async (signal) => {
      const running = await start({ LAME_DUCK_MS: '100' });
      running.child.kill(signal);
      expect(await running.end()).toEqual({ code: 0, signal: null });
      expect(running.lines).toEqual([
        'ready',
        'lame-duck',
        'draining',
        'drained',
        'database closed',
        'closed',
      ]);
    },
  );

  it('takes a second signal within a second for the same one', async () => {
    const running = await start({ LAME_DUCK_MS: '1500' });
    running.child.kill('SIGTERM');
    await running.says('lame-duck');
    running.child.kill('SIGTERM');
    running.child.kill('SIGINT');
    expect(await running.end()).toEqual({ code: 0, signal: null });
    expect(running.lines.at(-1)).toBe('closed');
  });

  it('exits 1 at once on a signal more than a second after the first', async () => {
    const running = await start({ LAME_DUCK_MS: '60000' });
    running.child.kill('SIGTERM');
    await running.says('lame-duck');
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    running.child.kill('SIGTERM');
    expect(await running.end()).toEqual({ code: 1, signal: null });
    expect(running.lines).not.toContain('drained');
  });

  it('can be forced while closing hangs', async () => {
    const running = await start({ CLOSING: 'hangs' });
    running.child.kill('SIGTERM');
    await running.says('database closed');
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    running.child.kill('SIGTERM');
    expect(await running.end()).toEqual({ code: 1, signal: null });
  });

  it('exits 0 through a drain that the node began itself', async () => {
    const running = await start({ LAME_DUCK_MS: '100' });
    running.child.send('leave');
    expect(await running.end()).toEqual({ code: 0, signal: null });
    expect(running.lines.at(-1)).toBe('closed');
  });

  it('exits 0 when SIGTERM comes long after the node began to leave by itself', async () => {
    const running = await start({ LAME_DUCK_MS: '1500' });
    running.child.send('leave');
    await running.says('lame-duck');
    running.child.kill('SIGTERM');
    expect(await running.end()).toEqual({ code: 0, signal: null });
  });

  it('exits 0 beside enableShutdownHooks, whose own repeated signal forces nothing', async () => {
    const running = await start({ HOOKS: 'both', LAME_DUCK_MS: '1500' });
    running.child.kill('SIGTERM');
    expect(await running.end()).toEqual({ code: 0, signal: null });
    expect(running.lines).toContain('drained');
  });

  it('falls back to the hooks of enableShutdownHooks alone', async () => {
    const running = await start({ HOOKS: 'nest' });
    running.child.kill('SIGTERM');
    expect(await running.end()).toEqual({ code: null, signal: 'SIGTERM' });
    expect(running.lines).toEqual(['ready', 'database closed', 'draining', 'drained', 'closed']);
  });
});

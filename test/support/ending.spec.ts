import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it, vi } from 'vitest';

const VITEST = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url));
const CONFIG = fileURLToPath(new URL('left-behind/vitest.config.ts', import.meta.url));
const WAIT = { timeout: 30_000 };

/** Runs a spec that leaves a gateway behind; resolves with the gateway's process. */
async function leaveBehind(
  env: Readonly<Record<string, string>>,
): Promise<{ spec: ChildProcess; pid: number }> {
  const spec = spawn(process.execPath, [VITEST, 'run', '--config', CONFIG, '--disable-console-intercept'], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let said = '';
  spec.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const pid = await vi.waitFor(() => {
    const [, found] = /^pid (\d+)$/m.exec(said) ?? [];
    expect(found, said).toBeDefined();
    return Number(found);
  }, WAIT);
  return { spec, pid };
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

it.concurrent('a gateway ends with the spec that started it, though that fails', async () => {
  const { spec, pid } = await leaveBehind({});
  expect(await once(spec, 'exit')).toEqual([1, null]);
  expect(lives(pid)).toBe(false);
});

it.concurrent('a gateway ends with the spec that started it, though that is killed', async () => {
  const { spec, pid } = await leaveBehind({ NEVER_ENDS: '1' });
  expect(lives(pid)).toBe(true);
  spec.kill('SIGKILL');
  await vi.waitFor(() => expect(lives(pid)).toBe(false), WAIT);
});

import type { ChildProcess } from 'node:child_process';
import { afterAll } from 'vitest';
import { killProcess } from './redis-server.js';

const running = new Set<ChildProcess>();

// However a spec ends: a `beforeAll` that fails, a test that never comes to its end, a run that is broken off.
afterAll(async () => {
  await Promise.all([...running].map(killProcess));
});
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

// Vitest was killed, and would leave this worker of its behind.
process.once('disconnect', () => process.exit());

/** The process ends with the spec file that started it, if nobody ends it before. */
export function endWithSpec(child: ChildProcess): void {
  running.add(child);
  child.once('exit', () => running.delete(child));
}

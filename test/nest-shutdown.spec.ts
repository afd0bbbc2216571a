import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { openClient } from '@aerie/realtime/testing';
import { describe, expect, it } from 'vitest';
import { tokenFor } from './support/gateway.js';

const SOURCES = fileURLToPath(new URL('support/typescript-sources.mjs', import.meta.url));
const APP = fileURLToPath(new URL('support/closing-app.ts', import.meta.url));

describe('app.close() with open connections', () => {
  it.each([
    ['memory', undefined],
    ['Redis', process.env['TEST_REDIS_URL']],
  ])('says 1001, and leaves nothing behind that holds the process: on %s', async (_name, redisUrl) => {
    const { REDIS_URL: _redis, ...env } = process.env;
    const child = spawn(process.execPath, ['--conditions=@aerie/source', '--import', SOURCES, APP], {
      env: { ...env, ...(redisUrl !== undefined && { REDIS_URL: redisUrl }) },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const [url] = (await once(child, 'message')) as [string];
    const ws = `${url.replace('http', 'ws')}/ws`;
    const clients = await Promise.all(
      ['alice', 'bob'].map((user) => openClient(ws, { token: tokenFor(user) })),
    );
    const waiting = await openClient(ws);
    for (const client of clients) await client.frame('$welcome');
    const exited = once(child, 'exit');
    const askedAt = performance.now();
    child.send('close');
    for (const client of [...clients, waiting]) expect(await client.closed).toMatchObject({ code: 1001 });
    expect(await exited).toEqual([0, null]);
    expect(performance.now() - askedAt).toBeLessThan(8_000);
  });
});

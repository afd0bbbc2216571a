import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openClient, probeUpgrade, type TestClient } from '@aerie/realtime/testing';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from './support/free-port.js';
import { JWT_SECRET, signJwt, tokenFor } from './support/gateway.js';
import { PackedApp } from './support/packed-app.js';

/** `npm run test:packed` installs everything from the registry, as a user would. */
const surroundings = process.env['PACKED_FROM'] === 'registry' ? 'registry' : 'repository';
const INSTALL_MS = 240_000;
const BOOT_MS = 20_000;

// The application of the README that has passport, started like the other one.
const PASSPORT_MAIN = `
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { drainOnSignals } from '@aerie/realtime/drain';
import { PassportAppModule } from './jwt.auth.js';

const app = await NestFactory.create(PassportAppModule);
await app.listen(process.env['PORT'] ?? 3000);
await drainOnSignals(app);
`;

// Every entry of the client, and what an entry of its own takes of it.
const CLIENT = `
import { RealtimeClient } from '@aerie/client';
import { history, publications, stream } from '@aerie/client/reading';

export * from '@aerie/client/bytes';
export * from '@aerie/client/fallbacks';
export * from '@aerie/client/msgpack';
export * from '@aerie/client/presence';
export * from '@aerie/client/react';
export * from '@aerie/protocol';

interface Events {
  say: { text: string };
}

export async function read(realtime: RealtimeClient<Events>): Promise<string[]> {
  const room = realtime.channel('room:7');
  const { publications: before } = await history(room);
  const texts = before.map(({ data }) => data.text);
  for await (const { data } of publications(room)) texts.push(data.text);
  for await (const line of stream<string>(realtime, 'log.follow')) texts.push(line);
  // @ts-expect-error -- the inside is not published
  void realtime.core;
  // @ts-expect-error -- the inside is not published
  void room.listen;
  return texts;
}
`;

let app: PackedApp;
let taken: readonly string[];
beforeAll(async () => {
  app = await PackedApp.create(surroundings);
  taken = await app.takeFilesOf('realtime');
  await app.write('passport.main.ts', PASSPORT_MAIN);
  await app.write('client.ts', CLIENT);
}, INSTALL_MS);
afterAll(() => app.remove());

class Started {
  constructor(
    readonly child: ChildProcess,
    readonly url: string,
  ) {}

  /** Sends a SIGTERM; resolves with the exit code. */
  async end(): Promise<unknown> {
    const exit = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    const [code] = (await exit) as [number | null];
    return code;
  }
}

async function start(main: string): Promise<Started> {
  const port = await freePort();
  const child = spawn(process.execPath, [join(app.folder, 'dist', main)], {
    env: { PATH: process.env['PATH'], PORT: String(port), JWT_SECRET },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (log += String(text)));
  const url = `ws://127.0.0.1:${port}/ws`;
  const deadline = Date.now() + BOOT_MS;
  while (Date.now() < deadline && child.exitCode === null) {
    const answer = await probeUpgrade(url).catch(() => undefined);
    if (answer !== undefined) return new Started(child, url);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  child.kill('SIGKILL');
  throw new Error(`${main} did not start:\n${log}`);
}

async function welcomed(url: string, user: string): Promise<TestClient> {
  const client = await openClient(url, { token: tokenFor(user) });
  await client.frame('$welcome');
  return client;
}

describe.each(['protocol', 'client', 'realtime'])('the package @aerie/%s', (library) => {
  it('is what publint asks of a package', async () => {
    const { messages, pkg } = await publint({
      pkgDir: app.packageFolder(library),
      pack: false,
      strict: true,
    });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  it('brings its licence and a README, and no tests', async () => {
    const files = await readdir(app.packageFolder(library), { recursive: true });
    expect(files).toEqual(
      expect.arrayContaining(['LICENSE', 'README.md', 'dist/index.js', 'dist/index.d.ts']),
    );
    expect(files.filter((file) => /\.spec\.|tsbuildinfo/.test(file))).toEqual([]);
  });
});

describe('the application of the README, with the packed library', () => {
  it('compiles, strictly, against the published types', async () => {
    expect(taken).toEqual(
      expect.arrayContaining(['app.module.ts', 'chat.gateway.ts', 'room.channel.ts', 'main.ts']),
    );
    expect(await app.compile()).toBe('');
  }, 120_000);

  it('serves its gateway and its channel, and drains on SIGTERM', async () => {
    const started = await start('main.js');
    expect(await probeUpgrade(started.url, { token: 'nonsense' })).toMatchObject({ status: 401 });
    const [alice, bob] = [await welcomed(started.url, 'alice'), await welcomed(started.url, 'bob')];
    expect(await alice.request('order.track', { id: '7' })).toMatchObject({ data: { tracking: true } });
    expect(await alice.frame('order.status')).toMatchObject({ data: { id: '7', status: 'packed' } });
    await bob.request('$subscribe', { channel: 'room:7' });
    await alice.request('$publish', { channel: 'room:7', event: 'say', data: { text: 'hi' } });
    expect(await bob.frame('say')).toMatchObject({ data: { text: 'hi' }, from: 'alice' });
    expect(await bob.request('$subscribe', { channel: 'room:private' })).toMatchObject({
      error: { code: 'forbidden' },
    });
    await Promise.all([alice.close(), bob.close()]);
    expect(await started.end()).toBe(0);
  });

  it('is tested by the command that the library brings', async () => {
    const started = await start('main.js');
    const command = join(app.packageFolder('realtime'), 'dist/testing/conformance/cli.js');
    const only = ['ping', 'bad-frame.no-echo', 'subscribe.reply', 'subscribe.forbidden'].flatMap((rule) => [
      '--only',
      rule,
    ]);
    const tokens = { AERIE_TOKEN_A: tokenFor('ann'), AERIE_TOKEN_B: tokenFor('bob') };
    const env = { PATH: process.env['PATH'], ...tokens };
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [command, started.url, '--channel', 'room:*', ...only],
      { env },
    );
    expect(stdout).toMatch(/^ok +ping\.reply$/m);
    expect(stdout).toMatch(/, 0 FAILED, 0 not applicable$/m);
    expect(await started.end()).toBe(0);
  });

  it("keeps passport-jwt's guard", async () => {
    const started = await start('passport.main.js');
    const alice = await welcomed(started.url, 'alice');
    expect(await alice.request('order.track', { id: '7' })).toMatchObject({ data: { tracking: true } });
    const forged = signJwt(
      { sub: 'alice', exp: 4e9 },
      { secret: 'of somebody else, somebody else entirely' },
    );
    expect(await probeUpgrade(started.url, { token: forged })).toMatchObject({ status: 401 });
    await alice.close();
    expect(await started.end()).toBe(0);
  });
});

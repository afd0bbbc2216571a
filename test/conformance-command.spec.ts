import 'reflect-metadata';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Verdict } from '@aerie/realtime/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TinyServer } from './support/tiny-server.js';

const SOURCES = fileURLToPath(new URL('support/typescript-sources.mjs', import.meta.url));
const COMMAND = fileURLToPath(new URL('../libs/realtime/src/testing/conformance/cli.ts', import.meta.url));
const TOKENS = { AERIE_TOKEN_A: 'ann', AERIE_TOKEN_B: 'bob' };

interface Outcome {
  readonly code: number | string | null | undefined;
  readonly said: string;
  readonly complained: string;
}

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  const node = ['--conditions=@aerie/source', '--import', SOURCES, COMMAND];
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  execFile(
    process.execPath,
    [...node, ...args],
    { env: { PATH: process.env['PATH'], ...env } },
    (error, said, complained) => resolve({ code: error === null ? 0 : error.code, said, complained }),
  );
  return promise;
}

describe('aerie-conformance', () => {
  let good: TinyServer;
  let bad: TinyServer;
  beforeAll(async () => {
    [good, bad] = [await TinyServer.start(), await TinyServer.start('echoes bad frames')];
  });
  afterAll(() => Promise.all([good[Symbol.asyncDispose](), bad[Symbol.asyncDispose]()]));

  it('says a line for each rule, and exits with 0 where each that can be tested holds', async () => {
    const only = ['--only', 'ping', '--only', 'bad-frame.no-echo', '--only', 'backend.publication'];
    expect(await run([good.url, ...only], TOKENS)).toEqual({
      code: 0,
      said: [
        'ok              ping.reply',
        'ok              bad-frame.no-echo',
        'not applicable  backend.publication: needs the server API',
        '',
        '2 ok, 0 FAILED, 1 not applicable\n',
      ].join('\n'),
      complained: '',
    });
  });

  it('tests gRPC where it is told the address', async () => {
    const only = ['--only', 'grpc.welcome', '--only', 'grpc.publish'];
    const { code, said } = await run([good.url, '--grpc-url', good.grpcUrl, ...only], TOKENS);
    expect(code).toBe(0);
    expect(said).toContain(
      'ok              grpc.welcome\nnot applicable  grpc.publish: needs the server API\n',
    );
  });

  it('exits with 1 where one does not hold, and says why', async () => {
    const tokens = ['--token', 'ann', '--token', 'bob'];
    const { code, said } = await run([
      bad.url,
      ...tokens,
      '--only',
      'bad-frame',
      '--skip',
      'bad-frame.persistent',
    ]);
    expect(code).toBe(1);
    expect(said).toContain('FAILED          bad-frame.no-echo: the error for no JSON has the payload (');
    expect(said).toContain('ok              bad-frame.small\n');
    expect(said).toContain('not applicable  bad-frame.persistent: left out by the caller\n');
  });

  it('tells it to machines, and no query, which may hold a secret', async () => {
    const { code, said } = await run(
      [`${bad.url}?ticket=secret`, '--json', '--only', 'bad-frame.no-echo'],
      TOKENS,
    );
    const report = JSON.parse(said) as { readonly verdicts: readonly Verdict[] };
    expect(code).toBe(1);
    expect(report).toMatchObject({ url: bad.url, ok: 0, failed: 1, notApplicable: 0 });
    expect(report.verdicts).toMatchObject([{ rule: 'bad-frame.no-echo', outcome: 'failed' }]);
    expect(said).not.toContain('secret');
  });

  it.each([
    ['no URL', [], 'one URL, please'],
    ['two', ['ws://a/', 'ws://b/'], 'one URL, please'],
    ['another kind of URL', ['http://a/'], 'the URL is no ws: or wss: URL'],
    ['one token', ['ws://a/', '--token', 'ann'], 'two tokens, please'],
    ['an API without its key', ['ws://a/', '--token=a', '--token=b', '--api=http://a/api'], 'AERIE_API_KEY'],
    [
      'an address without http',
      ['ws://a/', '--token=a', '--token=b', '--grpc-url=a:1'],
      '--grpc-url is an http: or https: URL',
    ],
    ['no number', ['ws://a/', '--token=a', '--token=b', '--timeout-ms=x'], '--timeout-ms is a number'],
    [
      'an unknown rule',
      ['ws://a/', '--token=a', '--token=b', '--skip=nonsense'],
      'there is no rule nonsense',
    ],
    ['an unknown option', ['ws://a/', '--nonsense'], "Unknown option '--nonsense'"],
  ])('exits with 2 where it is given %s, and says how it wants to be called', async (_what, args, why) => {
    const { code, said, complained } = await run(args);
    expect({ code, said }).toEqual({ code: 2, said: '' });
    expect(complained).toContain(why);
    expect(complained).toContain('aerie-conformance <ws: or wss: URL>');
  });

  it('explains itself', async () => {
    expect(await run(['--help'])).toMatchObject({
      code: 0,
      said: expect.stringContaining('Exit code') as string,
    });
  });
});

import 'reflect-metadata';
import {
  type ConformanceTarget,
  describeConformance,
  type Rule,
  RULES,
  runConformance,
  runRule,
  type Verdict,
} from '@aerie/realtime/testing';
import { describe, expect, it } from 'vitest';
import { freePort } from './support/free-port.js';
import { FRAME_FAULTS } from './support/frame-faults.js';
import { HEAD_FAULTS } from './support/head-faults.js';
import { PARTS } from './support/tiny-faults.js';
import { API_KEY } from './support/tiny-grpc.js';
import { type Fault, TinyServer } from './support/tiny-server.js';

/** Several rules in turn wait for what does not come. */
const LIMIT = { timeout: 120_000 };

interface Suite {
  readonly only: readonly string[];
  readonly timeoutMs?: number;
}

async function verdictsOn(
  fault: Fault | undefined,
  { only, timeoutMs = 1_500 }: Suite,
): Promise<readonly Verdict[]> {
  await using server = await TinyServer.start(fault);
  const rules = RULES.filter(({ name }) => only.includes(name));
  const { url, grpcUrl } = server;
  const target: ConformanceTarget = {
    url,
    tokens: ['ann', 'bob'],
    plainChannel: 'plain:*',
    grpcUrl,
    api: { url: `${url}api`, key: API_KEY },
    timeoutMs,
  };
  return await runConformance(target, undefined, rules);
}

const failures = (verdicts: readonly Verdict[]): readonly string[] =>
  verdicts.filter(({ outcome }) => outcome === 'failed').map(({ rule }) => rule);

/** What a framework would tell of these rules. */
async function outcomes(rules: readonly Rule[], target: ConformanceTarget): Promise<readonly string[]> {
  const outcome: string[] = [];
  const tests: Promise<void>[] = [];
  const skip = (why: string): unknown => outcome.push(`skipped: ${why}`);
  const define = (_name: string, test: (...context: unknown[]) => Promise<void>): void =>
    void tests.push(test({ skip }).catch((error: Error) => void outcome.push(`failed: ${error.message}`)));
  describeConformance(target, { describe: (_name, fill) => fill(), it: define }, rules);
  await Promise.all(tests);
  return outcome;
}

describe('the conformance suite', () => {
  describe.each(PARTS)('on $part', ({ rules, faults }) => {
    it(
      'finds nothing wrong with another implementation that keeps what it has of the protocol',
      LIMIT,
      async () => {
        const verdicts = await verdictsOn(undefined, { only: rules, timeoutMs: 20_000 });
        expect(verdicts.map(({ rule }) => rule)).toEqual(rules);
        expect(verdicts.filter(({ outcome }) => outcome !== 'ok')).toEqual([]);
      },
    );

    it.concurrent.each(faults)('finds that a server %s, and nothing else', LIMIT, async (fault, broken) => {
      expect(failures(await verdictsOn(fault, { only: rules }))).toEqual(broken);
    });
  });

  it('has no rule that can not fail: each finds a wrong server, here or behind a front', () => {
    const faults = [...PARTS.flatMap((part) => part.faults), ...HEAD_FAULTS, ...FRAME_FAULTS];
    const found = new Set(faults.flatMap((fault) => fault.at(-1)));
    expect(RULES.map(({ name }) => name).filter((name) => !found.has(name))).toEqual([]);
  });

  it('says which transports a server lacks', async () => {
    const only = [
      'msgpack.frames',
      'compression.size',
      'sse.resume',
      'send.repeat',
      'poll.waits',
      'events.after',
    ];
    const verdicts = await verdictsOn('has nothing but JSON over WebSockets', { only });
    expect(verdicts.map(({ outcome, why }) => [outcome, why])).toEqual([
      ['not-applicable', 'the server lacks MessagePack: it answers in JSON'],
      ['not-applicable', 'the server lacks compression: it passes over permessage-deflate'],
      ['not-applicable', 'the server lacks server-sent events: /sse is answered with 404'],
      [
        'not-applicable',
        'the server lacks server-sent events, beside which one sends: /sse is answered with 404',
      ],
      ['not-applicable', 'the server lacks long polling: /poll is answered with 404'],
      ['not-applicable', 'the server lacks short polling: /events is answered with 404'],
    ]);
  });

  it('ends on a server that speaks something else, and says so', async () => {
    const [verdict] = await verdictsOn('speaks no JSON', { only: ['welcome.fields'] });
    const why = 'the server sent what is no JSON';
    expect(verdict).toMatchObject({ outcome: 'failed', why });
  });

  it('ends on a server that never says what it waits for', async () => {
    const only = ['subscribe.reply', 'publish.own'];
    const verdicts = await verdictsOn('never welcomes', { only, timeoutMs: 200 });
    const why = 'no such frame within 200 ms, but []';
    expect(verdicts.map((verdict) => verdict.why)).toEqual([why, why]);
  });

  it('ends where nobody listens', async () => {
    const target = { url: `ws://127.0.0.1:${await freePort()}/`, tokens: ['ann', 'bob'] } as const;
    const [verdict] = await runConformance(target, undefined, RULES.slice(0, 1));
    expect(verdict).toMatchObject({
      outcome: 'failed',
      why: expect.stringContaining('ECONNREFUSED') as string,
    });
  });

  it('never says a token or the API key', async () => {
    const [secret, url] = ['a-token-of-somebody', 'ws://127.0.0.1:1/'] as const;
    const rule: Rule = {
      name: 'any',
      says: 'it fails with what it has',
      run: ({ target: { tokens, api } }) => Promise.reject(new Error(`${tokens.join()} ${api?.key}`)),
    };
    const api = { url: 'http://127.0.0.1:1', key: 'the-key' };
    const verdict = await runRule(rule, { url, tokens: [secret, 'another'], api });
    expect(verdict.why).toBe('<secret>,<secret> <secret>');
  });
});

describe('in a test framework', () => {
  it('a rule that does not hold fails, and one that can not be tested is skipped', async () => {
    const target = { url: 'ws://127.0.0.1:1/', tokens: ['ann', 'bob'] } as const;
    const broken: Rule = { name: 'a', says: 'no', run: () => Promise.reject(new Error('it does not hold')) };
    const kept: Rule = { name: 'b', says: 'yes', run: () => Promise.resolve() };
    const untested: Rule = { ...broken, name: 'c', needs: ['api'] };
    expect(await outcomes([broken, kept, untested], target)).toEqual([
      'skipped: needs the server API',
      'failed: it does not hold',
    ]);
  });
});

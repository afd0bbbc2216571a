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
import { API_KEY } from './support/tiny-grpc.js';
import { type Fault, TinyServer } from './support/tiny-server.js';

/** What the tiny server has of the protocol. */
const KEPT = [
  'handshake.accepted',
  'handshake.unauthenticated',
  'subprotocol.selected',
  'subprotocol.none',
  'subprotocol.bearer',
  'subprotocol.bearer-alone',
  'welcome.first',
  'welcome.fields',
  'message.id-echo',
  'message.id-invalid',
  'message.unknown-event',
  'ping.reply',
  'bad-frame.answered',
  'bad-frame.small',
  'bad-frame.no-echo',
  'bad-frame.depth',
  'frame.size',
  'wire.fragments',
  'wire.binary',
  'wire.ping',
  'wire.goodbye',
  'subscribe.reply',
  'subscribe.twice',
  'subscribe.forbidden',
  'subscribe.reply-first',
  'unsubscribe.reply',
  'unsubscribe.ends',
  'publish.reply',
  'publish.subscribers',
  'publish.own',
  'publish.order',
  'publish.repeat',
];

type FaultFound = readonly [Fault, readonly string[]];

const STREAM_FAULTS: readonly FaultFound[] = [
  ['lets proxies collect', ['sse.accepted']],
  [
    'lets everybody in',
    ['sse.refused', 'send.foreign', 'send.credential', 'poll.refused', 'poll.credential'],
  ],
  ['has no proofs', ['sse.welcome', 'send.proof', 'send.renewal', 'poll.credential']],
  ['names no forbidden channels', ['sse.subscribed']],
  ['takes any number of channels', ['sse.channels']],
  ['takes any id', ['sse.foreign-id']],
  ['forgets places', ['sse.resume', 'sse.resume-query', 'poll.resume']],
  ['gives no ids', ['sse.publications', 'sse.resume', 'sse.resume-query']],
  ['ends without a word', ['sse.close', 'poll.close']],
  ['takes a seq again', ['send.repeat']],
  ['takes gaps', ['send.gap']],
  ['believes names', ['send.foreign']],
  ['takes any body', ['send.invalid']],
  ['takes large messages', ['send.too-large']],
  ['makes up connections', ['send.session-gone']],
  ['drops batches', ['poll.repeat']],
  ['takes any cursor', ['poll.cursor']],
  ['lets several polls wait', ['poll.newest']],
  ['polls say nothing at first', ['poll.opening']],
  ['keeps who left polling', ['poll.goodbye']],
  ['answers polls at once', ['poll.waits', 'poll.hold']],
  ['counts empty batches', ['poll.hold']],
  ['answers backwards', ['send.replies']],
  ['has no heartbeat', ['sse.heartbeat']],
];

const FAULTS: readonly FaultFound[] = [
  ['refuses with 403', ['handshake.unauthenticated']],
  ['echoes the bearer', ['subprotocol.bearer']],
  ['answers before $welcome', ['welcome.first']],
  ['makes numbers of ids', ['message.id-echo']],
  [
    'drops bad frames',
    ['message.id-invalid', 'bad-frame.answered', 'bad-frame.small', 'bad-frame.no-echo', 'bad-frame.depth'],
  ],
  ['echoes bad frames', ['bad-frame.no-echo']],
  ['makes long errors', ['bad-frame.small']],
  ['closes without a reason', ['frame.size']],
  ['tells what exists', ['subscribe.forbidden']],
  ['keeps who left', ['unsubscribe.ends']],
  ['skips the sender', ['subscribe.twice', 'unsubscribe.ends', 'publish.own', 'publish.order']],
  ['believes the client', ['publish.subscribers']],
  ['repeats itself', ['publish.repeat']],
  ['reverses bursts', ['publish.order', 'publish.repeat']],
];

const PACKING_FAULTS: readonly FaultFound[] = [
  ['prefers JSON', ['msgpack.selected']],
  ['answers in text', ['msgpack.frames']],
  ['takes text where it packs', ['msgpack.text']],
  ['takes integer keys', ['msgpack.values']],
  ['sends bytes as base64', ['msgpack.bytes']],
  ['closes without a reason', ['msgpack.size']],
];

const PAGE_FAULTS: readonly FaultFound[] = [
  ['begins with the oldest', ['events.newest']],
  ['brings what is there already', ['events.after']],
  ['goes on across epochs', ['events.foreign-epoch']],
  ['ignores tags', ['events.unchanged']],
  ['tags every page', ['events.more']],
  ['lets anybody keep pages', ['events.private']],
  ['lets everybody in', ['events.refused']],
  ['takes any origin', ['events.origin']],
  ['tells what exists', ['events.forbidden']],
  ['takes any query', ['events.invalid']],
  ['makes up histories', ['events.without-history']],
];

const COMPRESSION_FAULTS: readonly FaultFound[] = [
  ['agrees to windows', ['compression.agreed']],
  ['keeps a window', ['compression.frames']],
  ['closes without a reason', ['compression.size']],
  ['blames itself', ['compression.size', 'compression.garbage', 'compression.unasked']],
  ['refuses odd offers', ['compression.unknown-offer']],
];

const GRPC_FAULTS: readonly FaultFound[] = [
  ['is another transport', ['grpc.welcome']],
  ['refuses with 403', ['ticket.grpc', 'grpc.refused']],
  ['lets everybody in', ['grpc.refused', 'grpc.publish-refused']],
  ['takes any origin', ['grpc.origin']],
  ['knows every event', ['grpc.replies']],
  ['drops bad frames', ['grpc.bad-frame']],
  ['closes without a reason', ['grpc.size']],
  ['believes the client', ['grpc.publications']],
  ['tells what exists', ['grpc.forbidden']],
  ['forgets places', ['grpc.resume', 'grpc.deadline']],
  ['takes no deadlines', ['grpc.deadline']],
  ['takes goodbyes for losses', ['grpc.goodbye']],
  ['ends without a word', ['grpc.size', 'grpc.close']],
  ['has every method', ['grpc.unknown-method']],
  ['repeats itself', ['grpc.publish']],
  ['describes nothing', ['grpc.reflection']],
  ['is never healthy', ['grpc.health']],
  ['takes tickets again', ['ticket.grpc']],
];

/** Parts of the protocol, and what a server may get wrong there. */
const PARTS: readonly {
  readonly part: string;
  readonly rules: readonly string[];
  readonly faults: readonly FaultFound[];
}[] = [
  { part: 'WebSockets', rules: KEPT, faults: FAULTS },
  { part: 'MessagePack', rules: rulesOver('msgpack'), faults: PACKING_FAULTS },
  {
    part: 'compression',
    rules: [...rulesOver('compression'), 'compression.unasked'],
    faults: COMPRESSION_FAULTS,
  },
  { part: 'HTTP', rules: rulesOver('sse', 'send', 'long-polling'), faults: STREAM_FAULTS },
  {
    part: 'gRPC',
    rules: RULES.filter(({ needs = [] }) => needs.includes('grpcUrl')).map(({ name }) => name),
    faults: GRPC_FAULTS,
  },
  { part: 'short polling', rules: rulesOver('short-polling'), faults: PAGE_FAULTS },
];

function rulesOver(...transports: readonly Rule['over'][]): readonly string[] {
  return RULES.filter(({ over }) => over !== undefined && transports.includes(over)).map(({ name }) => name);
}

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
    it('finds nothing wrong with another implementation that keeps what it has of the protocol', async () => {
      const verdicts = await verdictsOn(undefined, { only: rules });
      expect(verdicts.map(({ rule }) => rule)).toEqual(rules);
      expect(verdicts.filter(({ outcome }) => outcome !== 'ok')).toEqual([]);
    });

    it.concurrent.each(faults)('finds that a server %s, and nothing else', LIMIT, async (fault, broken) => {
      expect(failures(await verdictsOn(fault, { only: rules }))).toEqual(broken);
    });
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

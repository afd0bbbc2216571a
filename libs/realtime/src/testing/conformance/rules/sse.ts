import { CLOSE, LIMITS } from '@aerie/protocol';
import { ensure, equal, fieldsOf, includes, isNumber } from '../expectations.js';
import { publishSome } from '../publications.js';
import type { Rule } from '../rule.js';
import type { StreamTalker } from '../stream-talker.js';
import { type Trial, unique } from '../trial.js';
import { within } from '../within.js';

const over = 'sse';
/** An interval of more than two minutes can't be seen. */
const HEARTBEAT_LIMIT_MS = 150_000;

export const sseRules: readonly Rule[] = [
  {
    name: 'sse.accepted',
    says: 'a GET with a good token is answered with text/event-stream, which asks proxies not to collect it',
    over,
    run: async (trial) => {
      const { headers } = await trial.http.stream({ token: trial.token(0) });
      ensure(/^text\/event-stream\b/.test(headers.get('content-type') ?? ''), 'no text/event-stream');
      // A proxy whom that is for may keep it for itself.
      equal(headers.get('x-accel-buffering') ?? 'no', 'no', 'X-Accel-Buffering');
      ensure(/\bno-transform\b/.test(headers.get('cache-control') ?? ''), 'no Cache-Control: no-transform');
    },
  },
  {
    name: 'sse.refused',
    says: 'who brings no credential, or a bad one, is refused with 401 over plain HTTP',
    over,
    run: async (trial) => {
      for (const token of [undefined, 'a.b.c']) {
        const response = await trial.http.ask('sse', { token });
        equal(response.status, 401, 'the status');
        const { error } = fieldsOf((await response.json()) as unknown);
        includes(error, { code: 'unauthenticated' }, 'the error');
      }
    },
  },
  {
    name: 'sse.welcome',
    says: '$welcome comes first, with the transport sse, a connection and what stands for the session',
    over,
    run: async (trial) => {
      const stream = await trial.http.stream({ token: trial.token(0) });
      const welcome = await stream.welcome();
      equal(stream.received[0]?.event, '$welcome', 'the first frame');
      equal(welcome['transport'], 'sse', 'transport');
      for (const name of ['connection', 'resume'])
        ensure(typeof welcome[name] === 'string' && welcome[name] !== '', `${name} is no text`);
    },
  },
  {
    name: 'sse.subscribed',
    says: 'for each channel in the URL $subscribed comes, with its position or with an error',
    over,
    run: async (trial) => {
      const [channel, forbidden] = [trial.channel(), await trial.forbiddenChannel()];
      const query = { channels: `${channel},${forbidden}` };
      const stream = await trial.http.stream({ token: trial.token(0), query });
      const good = fieldsOf((await stream.frame(isSubscribed(channel))).data);
      ensure(typeof good['epoch'] === 'string' && isNumber(good['offset']), 'it has no position');
      const { error } = fieldsOf((await stream.frame(isSubscribed(forbidden))).data);
      includes(error, { code: 'forbidden' }, 'the error');
    },
  },
  {
    name: 'sse.channels',
    says: 'a URL names at most 32 channels: more are 429, and what is no name is 400',
    over,
    needs: ['manyChannels'],
    run: async (trial) => {
      const many = Array.from({ length: LIMITS.channelsPerStream + 1 }, () => trial.channel()).join(',');
      for (const [channels, status] of [
        [many, 429],
        ['no channel', 400],
      ] as const) {
        const response = await trial.http.ask('sse', { token: trial.token(0), query: { channels } });
        equal(response.status, status, 'the status');
      }
    },
  },
  {
    name: 'sse.publications',
    says: 'a publication is the data of one event, and the id behind it changes',
    over,
    run: async (trial) => {
      const { stream, channel } = await following(trial);
      const before = stream.lastEventId;
      const event = unique();
      const talker = await trial.welcomed(1);
      await talker.request('$publish', { channel, event, data: { text: 'a\nb' } });
      includes(await stream.frame(event), { channel, data: { text: 'a\nb' } }, 'the publication');
      await trial.until('another id', () => stream.lastEventId !== before);
    },
  },
  {
    name: 'sse.resume',
    says: 'who comes back with Last-Event-ID goes on where it was: what was missed comes once, in order',
    over,
    run: (trial) => resumed(trial, (id) => ({ headers: { 'last-event-id': id } })),
  },
  {
    name: 'sse.resume-query',
    says: 'lastEventId in the query does the same',
    over,
    run: (trial) => resumed(trial, (id) => ({ query: { lastEventId: id } })),
  },
  {
    name: 'sse.foreign-id',
    says: 'an id that was never given is 400',
    over,
    run: async (trial) => {
      const headers = { 'last-event-id': 'a;b' };
      equal((await trial.http.ask('sse', { token: trial.token(0), headers })).status, 400, 'the status');
    },
  },
  {
    name: 'sse.heartbeat',
    says: 'a stream that has nothing to tell has a comment in each heartbeat interval',
    over,
    limitMs: HEARTBEAT_LIMIT_MS,
    run: async (trial) => {
      const stream = await trial.http.stream({ token: trial.token(0) });
      const { intervalMs } = fieldsOf((await stream.welcome())['heartbeat']);
      ensure(isNumber(intervalMs), '$welcome has no heartbeat.intervalMs');
      await within(intervalMs + trial.timeoutMs, stream.commented, 'no comment');
    },
  },
  {
    name: 'sse.close',
    says: 'the end is told by $close {code, reason} as the last frame',
    over,
    run: async (trial) => {
      const token = trial.token(0);
      const stream = await trial.http.stream({ token });
      const { connection } = await stream.welcome();
      const messages = [{ event: '$auth', data: { token: trial.token(1) } }];
      await trial.http.send(String(connection), { messages }, { token });
      await stream.ended;
      const { code, reason } = CLOSE.policy;
      equal(stream.received.at(-1), { event: '$close', data: { code, reason } }, 'the last frame');
    },
  },
];

interface Followed {
  readonly stream: StreamTalker;
  readonly channel: string;
}

/** A stream of the first user that is subscribed to a new channel, and knows an id. */
async function following(trial: Trial): Promise<Followed> {
  const channel = trial.channel();
  const stream = await trial.http.stream({ token: trial.token(0), query: { channels: channel } });
  await stream.frame(isSubscribed(channel));
  await trial.until('an id', () => stream.lastEventId !== '');
  return { stream, channel };
}

async function resumed(
  trial: Trial,
  comeBack: (id: string) => {
    readonly headers?: Readonly<Record<string, string>>;
    readonly query?: Readonly<Record<string, string>>;
  },
): Promise<void> {
  const { stream, channel } = await following(trial);
  const talker = await trial.welcomed(1);
  const before = stream.lastEventId;
  const [seen = ''] = await publishSome(talker, channel, 1);
  await stream.frame(seen);
  await trial.until('another id', () => stream.lastEventId !== before);
  const { query = {}, headers = {} } = comeBack(stream.lastEventId);
  const missed = await publishSome(talker, channel, 3);
  const back = await trial.http.stream({
    token: trial.token(0),
    query: { channels: channel, ...query },
    headers,
  });
  const { data } = await back.frame(isSubscribed(channel));
  includes(data, { recovered: true }, '$subscribed');
  await back.frame(missed.at(-1) ?? '');
  const published = back.received.filter((frame) => frame.channel === channel);
  equal(
    published.map(({ event }) => event),
    missed,
    'what was missed',
  );
}

function isSubscribed(channel: string) {
  return ({ event, data }: { readonly event?: string; readonly data?: unknown }): boolean =>
    event === '$subscribed' && fieldsOf(data)['channel'] === channel;
}

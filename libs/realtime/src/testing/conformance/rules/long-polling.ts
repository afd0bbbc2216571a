import { setTimeout } from 'node:timers/promises';
import { CLOSE } from '@aerie/protocol';
import { equal, ensure, fieldsOf, includes } from '../expectations.js';
import { batchIn, type PollTalker } from '../poll-talker.js';
import { publishSome } from '../publications.js';
import type { Rule } from '../rule.js';
import { type Trial, unique } from '../trial.js';
import { within } from '../within.js';

const over = 'long-polling';
const HOLD_MS = 25_000;
const HOLD_LIMIT_MS = 60_000;
/** A server that does not wait has answered by then. */
const AT_ONCE_MS = 250;

export const longPollingRules: readonly Rule[] = [
  {
    name: 'poll.opening',
    says: 'the first GET is answered at once, with the connection, a cursor and $welcome',
    over,
    run: async (trial) => {
      const poller = await trial.http.poll({ token: trial.token(0) });
      const [welcome] = poller.received;
      equal(welcome?.event, '$welcome', 'the first frame');
      includes(
        welcome?.data,
        { transport: 'long-polling', connection: poller.connection },
        'the data of $welcome',
      );
    },
  },
  {
    name: 'poll.refused',
    says: 'who brings no credential, or a bad one, is refused with 401',
    over,
    run: async (trial) => {
      for (const token of [undefined, 'a.b.c'])
        equal((await trial.http.ask('poll', { token })).status, 401, 'the status');
    },
  },
  {
    name: 'poll.waits',
    says: 'a poll waits until there is something, and brings it',
    over,
    run: async (trial) => {
      const { poller, channel } = await following(trial);
      const talker = await trial.welcomed(1);
      const name = unique();
      const waiting = await held(poller.ask());
      await talker.request('$publish', { channel, event: name, data: [1] });
      const { frames } = batchIn(fieldsOf((await (await waiting.answer).json()) as unknown));
      includes(
        frames.find(({ event }) => event === name),
        { channel, data: [1] },
        'the publication',
      );
    },
  },
  {
    name: 'poll.hold',
    says: 'a poll for which nothing comes is held for 25 s at most, and answered with no frames and its own cursor',
    over,
    limitMs: HOLD_LIMIT_MS,
    run: async (trial) => {
      const { poller } = await following(trial);
      const { cursor } = poller;
      const { answer } = await held(poller.ask(cursor, { isOpenEnd: true }));
      const response = await within(HOLD_MS + trial.timeoutMs, answer, 'no answer');
      equal(response.status, 200, 'the status');
      const batch = batchIn(fieldsOf((await response.json()) as unknown));
      equal({ cursor: batch.cursor, frames: batch.frames }, { cursor, frames: [] }, 'the answer');
    },
  },
  {
    name: 'poll.repeat',
    says: 'a poll that is repeated with the same cursor brings the same frames again',
    over,
    run: async (trial) => {
      const { poller, channel } = await following(trial);
      const [event] = await publishSome(await trial.welcomed(1), channel, 1);
      const lost = batchIn(fieldsOf((await (await poller.ask()).json()) as unknown));
      ensure(
        lost.frames.some((frame) => frame.event === event),
        'the batch has not what was published',
      );
      const { frames } = await poller.next();
      equal(frames.slice(0, lost.frames.length), lost.frames, 'the same batch');
    },
  },
  {
    name: 'poll.cursor',
    says: 'any other cursor than the last is 409 conflict',
    over,
    run: async (trial) => {
      const { poller } = await following(trial);
      const response = await poller.ask('987654');
      equal(response.status, 409, 'the status');
      includes(fieldsOf((await response.json()) as unknown)['error'], { code: 'conflict' }, 'the error');
    },
  },
  {
    name: 'poll.newest',
    says: 'one request waits at a time: a newer one ends the older, which gets no frames',
    over,
    run: async (trial) => {
      const { poller } = await following(trial);
      const older = poller.ask();
      // Which of two is older is the server's to say: the second goes out once the first may have arrived.
      await setTimeout(100);
      void poller.ask().catch(() => undefined);
      const ended = await within(trial.timeoutMs, older, 'the older one got no answer');
      const { frames } = batchIn(fieldsOf((await ended.json()) as unknown));
      equal(frames, [], 'the frames of the older one');
    },
  },
  {
    name: 'poll.credential',
    says: 'each poll needs the credential, or Aerie-Resume in its place',
    over,
    run: async (trial) => {
      const { poller, channel } = await following(trial);
      equal((await poller.ask(poller.cursor, { token: undefined })).status, 401, 'the status');
      await publishSome(await trial.welcomed(1), channel, 1);
      const { resume } = fieldsOf(poller.received[0]?.data);
      const headers = { 'aerie-resume': String(resume) };
      equal((await poller.ask(poller.cursor, { token: undefined, headers })).status, 200, 'the status');
    },
  },
  {
    name: 'poll.resume',
    says: 'who opens another connection with the last id goes on where it was',
    over,
    run: async (trial) => {
      const { poller, channel } = await following(trial);
      const talker = await trial.welcomed(1);
      const [seen] = await publishSome(talker, channel, 1);
      await poller.frame(({ event }) => event === seen);
      const missed = await publishSome(talker, channel, 3);
      const headers = { 'last-event-id': poller.id };
      const back = await trial.http.poll({ token: trial.token(0), query: { channels: channel }, headers });
      await back.frame(({ event }) => event === missed.at(-1));
      const published = back.received.filter((frame) => frame.channel === channel);
      equal(
        published.map(({ event }) => event),
        missed,
        'what was missed',
      );
    },
  },
  {
    name: 'poll.goodbye',
    says: 'DELETE is a goodbye, answered with 204; what is asked behind it is 410 session_gone',
    over,
    run: async (trial) => {
      const { poller } = await following(trial);
      const { cursor } = poller;
      equal((await poller.ask(cursor, { method: 'DELETE', query: {} })).status, 204, 'the status of DELETE');
      const response = await poller.ask(cursor);
      equal(response.status, 410, 'the status');
      includes(fieldsOf((await response.json()) as unknown)['error'], { code: 'session_gone' }, 'the error');
    },
  },
  {
    name: 'poll.close',
    says: 'the last batch ends with $close {code, reason}',
    over,
    run: async (trial) => {
      const token = trial.token(0);
      const poller = await trial.http.poll({ token });
      const messages = [{ event: '$auth', data: { token: trial.token(1) } }];
      await trial.http.send(poller.connection, { messages }, { token });
      await poller.frame(({ event }) => event === '$close');
      const { code, reason } = CLOSE.policy;
      equal(poller.received.at(-1), { event: '$close', data: { code, reason } }, 'the last frame');
    },
  },
];

interface Followed {
  readonly poller: PollTalker;
  readonly channel: string;
}

/** Throws where a request is answered at once. The answer is wrapped: a promise of it would be waited for. */
async function held(answer: Promise<Response>): Promise<{ readonly answer: Promise<Response> }> {
  const early = await Promise.race([answer, setTimeout(AT_ONCE_MS, undefined)]);
  ensure(early === undefined, 'a poll is answered before there is anything');
  return { answer };
}

/** A connection of the first user that is subscribed to a new channel. */
async function following(trial: Trial): Promise<Followed> {
  const channel = trial.channel();
  const poller = await trial.http.poll({ token: trial.token(0), query: { channels: channel } });
  await poller.frame(({ event }) => event === '$subscribed');
  return { poller, channel };
}

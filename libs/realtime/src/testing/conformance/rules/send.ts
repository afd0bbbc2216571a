import { ensure, equal, fieldsOf, includes, isNumber } from '../expectations.js';
import type { Rule } from '../rule.js';
import type { StreamTalker } from '../stream-talker.js';
import { type Trial, unique } from '../trial.js';

const over = 'send';
const MAX_MESSAGES = 64;

export const sendRules: readonly Rule[] = [
  {
    name: 'send.replies',
    says: 'POST /send is answered with 202 and its seq; the replies come by the stream, in order',
    over,
    run: async (trial) => {
      const { stream, send } = await sender(trial);
      const response = await send({
        seq: 1,
        messages: [
          { event: '$ping', id: 'a' },
          { event: '$ping', id: 'b' },
        ],
      });
      equal(response.status, 202, 'the status');
      equal((await response.json()) as unknown, { seq: 1 }, 'the body');
      for (const id of ['a', 'b'])
        includes(await stream.frame((frame) => frame.id === id), { event: '$pong' }, 'the reply');
      const replies = stream.received.filter(({ event }) => event === '$pong');
      equal(
        replies.map(({ id }) => id),
        ['a', 'b'],
        'the order of the replies',
      );
    },
  },
  {
    name: 'send.repeat',
    says: 'a seq that was taken before is answered with 202 and does nothing',
    over,
    run: async (trial) => {
      const { stream, send } = await sender(trial);
      const once = { seq: 1, messages: [{ event: '$ping', id: 'once' }] };
      for (const body of [once, once, { seq: 2, messages: [{ event: '$ping', id: 'last' }] }])
        equal((await send(body)).status, 202, 'the status');
      await stream.frame(({ id }) => id === 'last');
      equal(stream.received.filter(({ id }) => id === 'once').length, 1, 'the number of replies');
    },
  },
  {
    name: 'send.gap',
    says: 'a seq that leaves one out is 409 conflict, with the next one in details.expected',
    over,
    run: async (trial) => {
      const { send } = await sender(trial);
      const response = await send({ seq: 3, messages: [] });
      equal(response.status, 409, 'the status');
      const { error } = fieldsOf((await response.json()) as unknown);
      includes(error, { code: 'conflict', details: { expected: 1 } }, 'the error');
    },
  },
  {
    name: 'send.session-gone',
    says: 'a connection that never was is 410 session_gone',
    over,
    run: async (trial) => {
      const response = await trial.http.send(unique(), { messages: [] }, { token: trial.token(0) });
      equal(response.status, 410, 'the status');
      includes(fieldsOf((await response.json()) as unknown)['error'], { code: 'session_gone' }, 'the error');
    },
  },
  {
    name: 'send.foreign',
    says: "another user's connection takes nothing: 403, or 410 where its node is another one",
    over,
    run: async (trial) => {
      const { stream, connection } = await sender(trial);
      const messages = [{ event: '$ping', id: 'foreign' }];
      const { status } = await trial.http.send(connection, { messages }, { token: trial.token(1) });
      ensure(status === 403 || status === 410, `the status is ${status}`);
      await trial.http.send(
        connection,
        { messages: [{ event: '$ping', id: 'own' }] },
        { token: trial.token(0) },
      );
      await stream.frame(({ id }) => id === 'own');
      equal(stream.received.filter(({ id }) => id === 'foreign').length, 0, 'the number of replies');
    },
  },
  {
    name: 'send.credential',
    says: 'without a good credential it is 401',
    over,
    run: async (trial) => {
      const { connection } = await sender(trial);
      for (const token of [undefined, 'a.b.c'])
        equal((await trial.http.send(connection, { messages: [] }, { token })).status, 401, 'the status');
    },
  },
  {
    name: 'send.proof',
    says: 'Aerie-Resume with what $welcome said stands for the credential',
    over,
    run: async (trial) => {
      const { stream, connection, resume } = await sender(trial);
      const headers = { 'aerie-resume': resume };
      const messages = [{ event: '$ping', id: 'proof' }];
      equal((await trial.http.send(connection, { messages }, { headers })).status, 202, 'the status');
      await stream.frame(({ id }) => id === 'proof');
    },
  },
  {
    name: 'send.renewal',
    says: '$auth is answered with what stands for the renewed session, too',
    over,
    run: async (trial) => {
      const { stream, send } = await sender(trial);
      await send({ messages: [{ event: '$auth', data: { token: trial.token(0) }, id: 'renew' }] });
      const { expiresAt, resume } = fieldsOf((await stream.frame(({ id }) => id === 'renew')).data);
      ensure(expiresAt === null || isNumber(expiresAt), 'the reply has no expiresAt');
      ensure(typeof resume === 'string' && resume !== '', 'the reply has no resume');
    },
  },
  {
    name: 'send.invalid',
    says: 'what is not this body, or has more than 64 messages, is 400; what is no JSON by its type is 415',
    over,
    run: async (trial) => {
      const { send } = await sender(trial);
      const many = Array.from({ length: MAX_MESSAGES + 1 }, () => ({ event: '$ping' }));
      for (const body of [{ messages: 'none' }, { messages: ['text'] }, { messages: many }, []])
        equal((await send(body)).status, 400, 'the status');
      equal((await send({ messages: [] }, { 'content-type': 'text/plain' })).status, 415, 'the status');
    },
  },
  {
    name: 'send.too-large',
    says: 'a message larger than maxFrameBytes is 413',
    over,
    run: async (trial) => {
      const { send, maxFrameBytes } = await sender(trial);
      const messages = [{ event: '$ping', data: 'x'.repeat(maxFrameBytes) }];
      equal((await send({ messages })).status, 413, 'the status');
    },
  },
];

interface Sender {
  readonly stream: StreamTalker;
  readonly connection: string;
  readonly resume: string;
  readonly maxFrameBytes: number;
  readonly send: (body: unknown, headers?: Readonly<Record<string, string>>) => Promise<Response>;
}

/** The first user, with a stream. */
async function sender(trial: Trial): Promise<Sender> {
  const token = trial.token(0);
  const stream = await trial.http.stream({ token });
  const { connection, resume, maxFrameBytes } = await stream.welcome();
  const name = String(connection);
  return {
    stream,
    connection: name,
    resume: String(resume),
    maxFrameBytes: Number(maxFrameBytes),
    send: (body, headers = {}) => trial.http.send(name, body, { token, headers }),
  };
}

import { CLOSE } from '@aerie/protocol';
import { endsWith, ensure, equal, fieldsOf, includes } from '../expectations.js';
import type { Rule } from '../rule.js';
import type { SocketTalker } from '../talker.js';

const PINGS_MS = 500;
const ABOUT_5_S = { atLeastMs: 4_000, atMostMs: 12_000 };

export const firstMessageRules: readonly Rule[] = [
  {
    name: 'first-message.accepted',
    says: 'a socket without a credential may send $auth: the reply comes before $welcome, what else it sent is answered after it',
    run: async (trial) => {
      const talker = await trial.connect();
      talker.send({ event: '$auth', data: { token: trial.token(0) }, id: 'auth' });
      talker.send({ event: '$ping', id: 'ping' });
      await talker.frame(({ id }) => id === 'ping');
      const order = talker.received.map(({ id, event }) => id ?? event).filter((name) => isOfInterest(name));
      equal(order, ['auth', '$welcome', 'ping'], 'the order of the answers');
      const reply = talker.received.find(({ id }) => id === 'auth');
      ensure('expiresAt' in fieldsOf(reply?.data), 'the reply has no expiresAt');
    },
  },
  {
    name: 'first-message.bad-token',
    says: 'a first message with a bad token ends the connection with 4001',
    run: async (trial) => {
      const talker = await trial.connect();
      talker.send({ event: '$auth', data: { token: 'a.b.c' } });
      await endsUnanswered(talker, CLOSE.tokenInvalid);
    },
  },
  {
    name: 'first-message.other',
    says: 'a first message that is no $auth ends the connection with 1008',
    run: async (trial) => {
      for (const text of ['{"event":"$ping"}', '{"event":"hello"}', 'garbage{']) {
        const talker = await trial.connect();
        talker.sendText(text);
        await endsUnanswered(talker, CLOSE.policy);
      }
    },
  },
  {
    name: 'first-message.size',
    says: 'more than 4 KiB before it is known who talks end the connection with 1008',
    run: async (trial) => {
      const talker = await trial.connect();
      talker.send({ event: '$auth', data: { token: 'x'.repeat(5_000) } });
      await endsUnanswered(talker, CLOSE.policy);
    },
  },
  {
    name: 'first-message.timeout',
    says: 'no $auth within 5 s ends the connection with 4002; pings do not extend that, and nothing is sent meanwhile',
    run: async (trial) => {
      const startedAt = performance.now();
      const talker = await trial.connect();
      const timer = setInterval(() => void talker.ping('x').catch(() => undefined), PINGS_MS);
      await endsUnanswered(talker, CLOSE.authTimeout).finally(() => clearInterval(timer));
      const tookMs = performance.now() - startedAt;
      ensure(tookMs > ABOUT_5_S.atLeastMs && tookMs < ABOUT_5_S.atMostMs, `it took ${Math.round(tookMs)} ms`);
    },
  },
  {
    name: 'first-message.welcome',
    says: 'who came in by $auth is welcomed like anyone else',
    run: async (trial) => {
      const talker = await trial.connect();
      talker.send({ event: '$auth', data: { token: trial.token(0) } });
      const { data } = await talker.frame('$welcome');
      const usual = await (await trial.connect({ token: trial.token(0) })).frame('$welcome');
      includes(data, { user: fieldsOf(usual.data)['user'] }, '$welcome');
    },
  },
];

async function endsUnanswered(
  talker: SocketTalker,
  close: (typeof CLOSE)[keyof typeof CLOSE],
): Promise<void> {
  await endsWith(talker, close);
  equal(talker.received, [], 'what came before the close');
}

// An application may greet whom it lets in.
function isOfInterest(name: unknown): boolean {
  return name === 'auth' || name === 'ping' || name === '$welcome';
}

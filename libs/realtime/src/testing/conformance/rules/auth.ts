import { CLOSE } from '@aerie/protocol';
import { dataOf, endsWith, ensure, failedWith, includes, isNumber } from '../expectations.js';
import type { Rule } from '../rule.js';

const FAILURES = 10;

export const authRules: readonly Rule[] = [
  {
    name: 'auth.renews',
    says: '$auth on a live connection renews its session and tells when it ends',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const { expiresAt } = dataOf(await talker.request('$auth', { token: trial.token(0) }), '$auth');
      ensure(expiresAt === null || isNumber(expiresAt), 'the reply has no expiresAt');
      includes(await talker.request('$ping'), { event: '$pong' }, 'the reply behind it');
    },
  },
  {
    name: 'auth.failure',
    says: '$auth with a bad token is an error reply, and the old session stands',
    run: async (trial) => {
      const talker = await trial.welcomed();
      failedWith(await talker.request('$auth', { token: 'a.b.c' }), 'unauthenticated', '$auth');
      includes(await talker.request('$ping'), { event: '$pong' }, 'the reply behind it');
    },
  },
  {
    name: 'auth.failures',
    says: 'ten failed $auth in a row end the connection with 1008',
    run: async (trial) => {
      const talker = await trial.welcomed();
      for (let failures = 1; failures < FAILURES; failures += 1)
        failedWith(await talker.request('$auth', { token: 'a.b.c' }), 'unauthenticated', '$auth');
      talker.send({ event: '$auth', data: { token: 'a.b.c' } });
      await endsWith(talker, CLOSE.policy);
    },
  },
  {
    name: 'auth.other-user',
    says: '$auth for another user ends the connection with 1008',
    run: async (trial) => {
      const talker = await trial.welcomed();
      talker.send({ event: '$auth', data: { token: trial.token(1) } });
      await endsWith(talker, CLOSE.policy);
    },
  },
];

import { dataOf, ensure, equal } from '../expectations.js';
import type { Rule } from '../rule.js';

const PADDING = 'x'.repeat(10_000);

export const handlerRules: readonly Rule[] = [
  {
    name: 'order.replies',
    says: 'messages of one connection are answered in their order',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const channel = trial.channel();
      const ids = Array.from({ length: 20 }, (_, index) => `order-${index}`);
      for (const id of ids) talker.send({ event: '$history', data: { channel, limit: 1 }, id });
      await talker.frame(({ id }) => id === ids.at(-1));
      const answered = talker.received.map(({ id }) => id).filter((id) => String(id).startsWith('order-'));
      equal(answered, ids, 'the order');
    },
  },
  {
    name: 'order.ping',
    says: '$ping, $auth and $unsubscribe do not wait behind a handler',
    needs: ['slowEvent'],
    run: async (trial) => {
      const talker = await trial.welcomed();
      const channel = trial.channel();
      dataOf(await talker.request('$subscribe', { channel }), '$subscribe');
      const waits = [
        talker.request(trial.target.slowEvent ?? ''),
        talker.request('$ping'),
        talker.request('$auth', { token: trial.token(0) }),
        talker.request('$unsubscribe', { channel }),
      ];
      const replies = await Promise.all(waits);
      const at = replies.map((reply) => talker.received.indexOf(reply));
      const [slow = 0, ...others] = at;
      ensure(Math.max(...others) < slow, 'one of them was answered behind the slow message');
    },
  },
  {
    name: 'order.waiting',
    says: 'behind 64 messages that wait for a handler the server reads no more; none is lost',
    needs: ['slowEvent'],
    run: async (trial) => {
      const talker = await trial.welcomed();
      const channel = trial.channel();
      const slow = talker.request(trial.target.slowEvent ?? '');
      const waiting = Array.from({ length: 100 }, () =>
        talker.request('$history', { channel, limit: 1, padding: PADDING }),
      );
      const ping = talker.request('$ping');
      const replies = await Promise.all([slow, ...waiting, ping]);
      const [first = 0] = replies.map((reply) => talker.received.indexOf(reply));
      ensure(first < talker.received.indexOf(await ping), 'the ping was read before the slow message ended');
    },
  },
  {
    name: 'stream.more-done',
    says: 'a stream of replies has more: true until the last frame, which has done: true; all have the id',
    needs: ['streamEvent'],
    run: async (trial) => {
      const talker = await trial.welcomed();
      talker.send({ event: trial.target.streamEvent ?? '', id: 'stream' });
      const last = await talker.frame(({ id, more }) => id === 'stream' && more === undefined);
      equal(last.done, true, 'done of the last frame');
      await talker.request('$ping');
      const frames = talker.received.filter(({ id }) => id === 'stream');
      equal(frames.at(-1), last, 'what came last');
      ensure(frames.length > 1, 'it is no stream');
      equal(
        frames.slice(0, -1).filter(({ more, done }) => more !== true || done !== undefined),
        [],
        'frames before it without more: true',
      );
    },
  },
];

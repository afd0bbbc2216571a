import { dataOf, equal, failedWith } from '../expectations.js';
import type { Rule } from '../rule.js';
import { type Trial, unique } from '../trial.js';

export const plainChannelRules: readonly Rule[] = [
  {
    name: 'plain.publication',
    says: 'without a history replies and publications have no position',
    needs: ['plainChannel'],
    run: async (trial) => {
      const talker = await trial.welcomed();
      const channel = trial.plainChannel();
      const event = unique();
      equal(dataOf(await talker.request('$subscribe', { channel }), '$subscribe'), { channel }, 'the reply');
      equal(
        dataOf(await talker.request('$publish', { channel, event }), '$publish'),
        { channel },
        'the reply',
      );
      equal((await talker.frame(event)).offset, undefined, 'the offset');
    },
  },
  {
    name: 'plain.recovery',
    says: 'without a history a position is recovered: false',
    needs: ['plainChannel'],
    run: async (trial) => {
      const talker = await trial.welcomed();
      const request = { channel: trial.plainChannel(), position: { epoch: 'old', offset: 7 } };
      const reply = dataOf(await talker.request('$subscribe', request), '$subscribe');
      equal(reply['recovered'], false, 'recovered');
    },
  },
  {
    name: 'plain.history',
    says: 'without a history $history is not_found',
    needs: ['plainChannel'],
    run: (trial) => isNotFound(trial, '$history'),
  },
  {
    name: 'plain.presence',
    says: 'without presence $presence is not_found, and to ask for it with $subscribe is invalid',
    needs: ['plainChannel'],
    run: async (trial) => {
      await isNotFound(trial, '$presence');
      const talker = await trial.welcomed();
      const request = { channel: trial.plainChannel(), presence: true };
      failedWith(await talker.request('$subscribe', request), 'invalid', '$subscribe');
    },
  },
];

async function isNotFound(trial: Trial, event: string): Promise<void> {
  const talker = await trial.welcomed();
  failedWith(await talker.request(event, { channel: trial.plainChannel() }), 'not_found', event);
}

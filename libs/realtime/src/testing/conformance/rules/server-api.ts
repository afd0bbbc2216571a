import { CLOSE, userChannel } from '@aerie/protocol';
import { dataOf, endsWith, equal, includes } from '../expectations.js';
import type { Rule } from '../rule.js';
import { unique, userOf } from '../trial.js';

/** What only a backend causes. */
export const serverApiRules: readonly Rule[] = [
  {
    name: 'backend.publication',
    says: 'what a backend published has no from',
    needs: ['api'],
    run: async (trial) => {
      const talker = await trial.welcomed();
      const channel = trial.channel();
      const event = unique();
      dataOf(await talker.request('$subscribe', { channel }), '$subscribe');
      await trial.api('publish', { channel, event, data: { nr: 7 } });
      includes(await talker.frame(event), { channel, data: { nr: 7 }, from: undefined }, 'the publication');
    },
  },
  {
    name: 'backend.user-channel',
    says: 'what is published to user:<id> reaches the user without a subscription, as a publication of that channel',
    needs: ['api'],
    run: async (trial) => {
      const talker = await trial.welcomed();
      const channel = userChannel(userOf(talker));
      const event = unique();
      await trial.api('publish', { channel, event, data: 1 });
      includes(await talker.frame(event), { channel, data: 1, from: undefined }, 'the publication');
    },
  },
  {
    name: 'backend.direct-event',
    says: 'a direct event, as a broadcast is one, has event and data and no channel',
    needs: ['api'],
    run: async (trial) => {
      const talkers = [await trial.welcomed(0), await trial.welcomed(1)];
      const event = unique();
      await trial.api('broadcast', { event, data: [1] });
      for (const talker of talkers) equal(await talker.frame(event), { event, data: [1] }, 'the event');
    },
  },
  {
    name: 'backend.unsubscribe',
    says: 'who is removed from a channel gets $unsubscribed with the reason removed, and no more of its publications',
    needs: ['api'],
    run: async (trial) => {
      const [talker, other] = [await trial.welcomed(0), await trial.welcomed(1)];
      const channel = trial.channel();
      for (const one of [talker, other]) dataOf(await one.request('$subscribe', { channel }), '$subscribe');
      await trial.api('unsubscribe', { user: userOf(talker), channel });
      const { data } = await talker.frame('$unsubscribed');
      includes(data, { channel, reason: 'removed' }, '$unsubscribed');
      const event = unique();
      await trial.api('publish', { channel, event });
      await other.frame(event);
      await talker.request('$ping');
      equal(talker.received.filter((frame) => frame.event === event).length, 0, 'the number of copies');
    },
  },
  {
    name: 'backend.disconnect',
    says: 'who is disconnected is closed with 4403',
    needs: ['api'],
    run: async (trial) => {
      const talker = await trial.welcomed();
      await trial.api('disconnect', { user: userOf(talker) });
      await endsWith(talker, CLOSE.disconnected);
    },
  },
  {
    name: 'backend.session-ended',
    says: 'who is disconnected to come back is closed with 4401',
    needs: ['api'],
    run: async (trial) => {
      const talker = await trial.welcomed();
      await trial.api('disconnect', { user: userOf(talker), reconnect: true });
      await endsWith(talker, CLOSE.sessionEnded);
    },
  },
];

import { LIMITS, userChannel } from '@aerie/protocol';
import { dataOf, ensure, equal, failedWith } from '../expectations.js';
import type { Rule } from '../rule.js';
import type { SocketTalker } from '../talker.js';
import { unique, userOf } from '../trial.js';

export const subscriptionRules: readonly Rule[] = [
  {
    name: 'subscribe.reply',
    says: '$subscribe is answered with the channel',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const channel = trial.channel();
      const reply = dataOf(await talker.request('$subscribe', { channel }), '$subscribe');
      equal(reply['channel'], channel, 'channel');
    },
  },
  {
    name: 'subscribe.twice',
    says: 'to subscribe a second time is answered alike and changes nothing: each publication comes once',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const channel = trial.channel();
      for (let times = 0; times < 2; times += 1) {
        const reply = dataOf(await talker.request('$subscribe', { channel }), '$subscribe');
        equal(reply['channel'], channel, 'channel');
      }
      const [event, marker] = [unique(), unique()];
      await publish(talker, channel, event);
      await publish(talker, channel, marker);
      await talker.frame(marker);
      equal(countOf(talker, event), 1, 'the number of copies');
    },
  },
  {
    name: 'subscribe.name',
    says: 'a channel is 1-200 bytes of A-Z a-z 0-9 _ . : @ % = + -; anything else is invalid',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const bad = [
        '',
        'a b',
        'a/b',
        'ü',
        'a\n',
        '$a',
        'x'.repeat(LIMITS.channelBytes + 1),
        7,
        null,
        undefined,
      ];
      for (const channel of bad)
        failedWith(await talker.request('$subscribe', { channel }), 'invalid', JSON.stringify({ channel }));
    },
  },
  {
    name: 'subscribe.forbidden',
    says: 'a channel that is forbidden and one that does not exist answer alike, with forbidden',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const secret = await talker.request('$subscribe', { channel: await trial.forbiddenChannel() });
      const absent = await talker.request('$subscribe', { channel: `${unique()}:${unique()}` });
      failedWith(secret, 'forbidden', 'a forbidden channel');
      equal(absent.error, secret.error, 'the error of a channel that does not exist');
    },
  },
  {
    name: 'subscribe.reply-first',
    says: 'the reply to $subscribe comes before the first publication of the channel',
    run: async (trial) => {
      const [talker, publisher] = [await trial.welcomed(), await trial.welcomed(1)];
      const channel = trial.channel();
      const event = unique();
      const publishing = Array.from({ length: 20 }, () => publish(publisher, channel, event));
      talker.send({ event: '$subscribe', data: { channel }, id: 'sub' });
      await Promise.all([talker.frame(({ id }) => id === 'sub'), ...publishing]);
      await publish(publisher, channel, event);
      await talker.frame(event);
      const reply = talker.received.findIndex(({ id }) => id === 'sub');
      const first = talker.received.findIndex((frame) => frame.channel === channel);
      ensure(reply < first, 'a publication came before the reply');
    },
  },
  {
    name: 'subscribe.limit',
    says: 'a connection has at most 128 channels beside the own one; one more is limit_exceeded',
    needs: ['manyChannels'],
    run: async (trial) => {
      const talker = await trial.welcomed();
      const ask = () => talker.request('$subscribe', { channel: trial.channel() });
      const replies = await Promise.all(Array.from({ length: LIMITS.channelsPerConnection }, ask));
      const refused = replies.find(({ error }) => error !== undefined);
      equal(refused, undefined, 'a refusal of one of 128');
      failedWith(await ask(), 'limit_exceeded', 'one more');
    },
  },
  {
    name: 'unsubscribe.reply',
    says: '$unsubscribe is answered with the channel',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const channel = trial.channel();
      dataOf(await talker.request('$subscribe', { channel }), '$subscribe');
      const reply = dataOf(await talker.request('$unsubscribe', { channel }), '$unsubscribe');
      equal(reply['channel'], channel, 'channel');
    },
  },
  {
    name: 'unsubscribe.ends',
    says: 'after the reply to $unsubscribe no publication of the channel comes',
    run: async (trial) => {
      const [talker, publisher] = [await trial.welcomed(), await trial.welcomed(1)];
      const channel = trial.channel();
      for (const one of [talker, publisher])
        dataOf(await one.request('$subscribe', { channel }), '$subscribe');
      const event = unique();
      const publishing = Array.from({ length: 20 }, () => publish(publisher, channel, event));
      const [{ id }] = await Promise.all([talker.request('$unsubscribe', { channel }), ...publishing]);
      await publish(publisher, channel, `${event}-last`);
      await publisher.frame(`${event}-last`);
      await talker.request('$ping');
      const after = talker.received.slice(talker.received.findIndex((frame) => frame.id === id));
      equal(after.filter((frame) => frame.channel === channel).length, 0, 'the number of late publications');
    },
  },
  {
    name: 'unsubscribe.order',
    says: '$unsubscribe never overtakes a $subscribe',
    run: async (trial) => {
      const [talker, other] = [await trial.welcomed(), await trial.welcomed(1)];
      const channel = trial.channel();
      dataOf(await other.request('$subscribe', { channel }), '$subscribe');
      talker.send({ event: '$subscribe', data: { channel }, id: 'sub' });
      dataOf(await talker.request('$unsubscribe', { channel }), '$unsubscribe');
      await talker.frame(({ id }) => id === 'sub');
      const event = unique();
      await publish(talker, channel, event);
      await other.frame(event);
      await talker.request('$ping');
      equal(countOf(talker, event), 0, 'the number of publications after it');
    },
  },
  {
    name: 'unsubscribe.own',
    says: 'the own user: channel can not be left',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const own = userChannel(userOf(talker));
      failedWith(await talker.request('$unsubscribe', { channel: own }), 'forbidden', '$unsubscribe');
    },
  },
];

async function publish(talker: SocketTalker, channel: string, event: string): Promise<void> {
  dataOf(await talker.request('$publish', { channel, event, data: 1 }), '$publish');
}

function countOf({ received }: SocketTalker, name: string): number {
  return received.filter(({ event }) => event === name).length;
}

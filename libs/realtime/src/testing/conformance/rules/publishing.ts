import { LIMITS, userChannel } from '@aerie/protocol';
import type { ReceivedFrame } from '../../frame-queue.js';
import { dataOf, equal, failedWith, includes } from '../expectations.js';
import type { Rule } from '../rule.js';
import type { SocketTalker } from '../talker.js';
import { type Trial, unique, userOf } from '../trial.js';

const MANY = 50;

export const publishRules: readonly Rule[] = [
  {
    name: 'publish.reply',
    says: '$publish is answered with the channel, and asks no subscription',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const channel = trial.channel();
      const event = unique();
      const reply = dataOf(await talker.request('$publish', { channel, event, data: 1 }), '$publish');
      equal(reply['channel'], channel, 'channel');
      equal(talker.received.filter((frame) => frame.event === event).length, 0, 'the number of copies');
    },
  },
  {
    name: 'publish.subscribers',
    says: 'a publication has event, channel and data, and from: the user whose client published, whatever that says',
    run: async (trial) => {
      const { channel, subscriber, publisher } = await inOneChannel(trial);
      const event = unique();
      const data = { text: 'ü', list: [1, null, { deep: true }] };
      await publisher.request('$publish', { channel, event, data, from: 'somebody-else' });
      const frame = await subscriber.frame(event);
      includes(frame, { channel, data, from: userOf(publisher), id: undefined }, 'the publication');
    },
  },
  {
    name: 'publish.own',
    says: 'a publisher that subscribes gets its own publication, too',
    run: async (trial) => {
      const { channel, publisher } = await inOneChannel(trial);
      const event = unique();
      await publisher.request('$publish', { channel, event, data: 7 });
      includes(
        await publisher.frame(event),
        { channel, data: 7, from: userOf(publisher) },
        'the publication',
      );
    },
  },
  {
    name: 'publish.no-data',
    says: 'a publication may have no data',
    run: async (trial) => {
      const { channel, subscriber, publisher } = await inOneChannel(trial);
      const event = unique();
      dataOf(await publisher.request('$publish', { channel, event }), '$publish');
      includes(await subscriber.frame(event), { channel, data: undefined }, 'the publication');
    },
  },
  {
    name: 'publish.order',
    says: "a channel's publications arrive in one order at every subscriber, that of the publisher among them",
    run: async (trial) => {
      const { channel, subscriber, publisher } = await inOneChannel(trial);
      const event = unique();
      for (let data = 0; data < MANY; data += 1)
        publisher.send({ event: '$publish', data: { channel, event, data } });
      const expected = Array.from({ length: MANY }, (_, index) => index);
      for (const talker of [subscriber, publisher])
        equal((await firstOf(talker, event, MANY)).map(dataOfFrame), expected, 'the order');
    },
  },
  {
    name: 'publish.repeat',
    says: 'a second publication of a user with the same idempotencyKey announces nothing and gets the same reply',
    run: async (trial) => {
      const { channel, subscriber, publisher } = await inOneChannel(trial);
      const [event, marker, idempotencyKey] = [unique(), unique(), unique()];
      const ask = () => publisher.request('$publish', { channel, event, data: 1, idempotencyKey });
      const first = dataOf(await ask(), '$publish');
      equal(dataOf(await ask(), 'the repeat'), first, 'the reply to the repeat');
      await publisher.request('$publish', { channel, event: marker });
      await subscriber.frame(marker);
      equal(subscriber.received.filter((frame) => frame.event === event).length, 1, 'the number of copies');
    },
  },
  {
    name: 'publish.repeat-of-another',
    says: "the key of another user is another key: both users' publications come",
    run: async (trial) => {
      const { channel, subscriber, publisher } = await inOneChannel(trial);
      const [event, idempotencyKey] = [unique(), unique()];
      for (const talker of [publisher, subscriber])
        dataOf(await talker.request('$publish', { channel, event, idempotencyKey }), '$publish');
      const senders = (await firstOf(subscriber, event, 2)).map(({ from }) => from);
      equal(senders, [userOf(publisher), userOf(subscriber)], 'who published');
    },
  },
  {
    name: 'publish.key',
    says: 'an idempotencyKey is a string of 1-128 bytes; anything else is invalid',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const channel = trial.channel();
      for (const idempotencyKey of ['', 'x'.repeat(LIMITS.idempotencyKeyBytes + 1), 7])
        failedWith(
          await talker.request('$publish', { channel, event: 'a', idempotencyKey }),
          'invalid',
          `the key ${JSON.stringify(idempotencyKey)}`,
        );
    },
  },
  {
    name: 'publish.event',
    says: "what is published has an event name of 1-128 bytes that is none of the system's; anything else is invalid",
    run: async (trial) => {
      const talker = await trial.welcomed();
      const channel = trial.channel();
      for (const event of [undefined, '', 7, '$welcome', '$x', 'a\nb', 'x'.repeat(LIMITS.eventBytes + 1)])
        failedWith(
          await talker.request('$publish', { channel, event }),
          'invalid',
          `the event ${JSON.stringify(event)}`,
        );
    },
  },
  {
    name: 'publish.forbidden',
    says: 'nobody publishes from outside to a user: channel, nor to one that does not exist: forbidden, alike',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const own = userChannel(userOf(talker));
      const refused = await talker.request('$publish', { channel: own, event: 'a' });
      const absent = await talker.request('$publish', { channel: `${unique()}:${unique()}`, event: 'a' });
      failedWith(refused, 'forbidden', 'the own user: channel');
      failedWith(absent, 'forbidden', 'a channel that does not exist');
      equal(absent.error, refused.error, 'the error of a channel that does not exist');
    },
  },
];

interface Meeting {
  readonly channel: string;
  readonly subscriber: SocketTalker;
  readonly publisher: SocketTalker;
}

/** The first user's connection and the second's, who publishes, subscribed to one channel. */
async function inOneChannel(trial: Trial): Promise<Meeting> {
  const channel = trial.channel();
  const [subscriber, publisher] = [await trial.welcomed(0), await trial.welcomed(1)];
  for (const talker of [subscriber, publisher])
    dataOf(await talker.request('$subscribe', { channel }), '$subscribe');
  return { channel, subscriber, publisher };
}

async function firstOf(talker: SocketTalker, event: string, count: number): Promise<ReceivedFrame[]> {
  const frames: ReceivedFrame[] = [];
  while (frames.length < count) frames.push(await talker.frame(event));
  return frames;
}

function dataOfFrame({ data }: ReceivedFrame): unknown {
  return data;
}

import { LIMITS } from '@aerie/protocol';
import { dataOf, ensure, equal, failedWith, isNumber } from '../expectations.js';
import { countFrom, type Publication, publicationsOf, publishSome } from '../publications.js';
import type { Rule } from '../rule.js';
import type { Talker } from '../talker.js';
import { unique } from '../trial.js';

const MOST_PAGES = 100;

export const historyRules: readonly Rule[] = [
  {
    name: 'history.position',
    says: 'where a channel has a history, replies to $subscribe and $publish have the whole position, and both the same epoch',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const channel = trial.channel();
      const subscribed = dataOf(await talker.request('$subscribe', { channel }), '$subscribe');
      const published = dataOf(await talker.request('$publish', { channel, event: unique() }), '$publish');
      for (const reply of [subscribed, published]) {
        ensure(typeof reply['epoch'] === 'string', 'epoch is no string');
        ensure(isNumber(reply['offset']), 'offset is no number');
      }
      equal(published['epoch'], subscribed['epoch'], 'epoch');
    },
  },
  {
    name: 'history.offsets',
    says: 'offsets count without holes, from the one behind that of the reply to $subscribe',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const channel = trial.channel();
      const { offset } = dataOf(await talker.request('$subscribe', { channel }), '$subscribe');
      const events = await publishSome(talker, channel, 5);
      await talker.frame(events.at(-1) ?? '');
      const offsets = talker.received
        .filter((frame) => frame.channel === channel)
        .map((frame) => frame.offset);
      equal(offsets, countFrom(Number(offset) + 1, offsets.length), 'the offsets');
    },
  },
  {
    name: 'history.newest',
    says: '$history without after brings the newest publications, oldest first; its offset is that of the channel',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const channel = trial.channel();
      await publishSome(talker, channel, 3);
      const reply = dataOf(await talker.request('$history', { channel, limit: 2 }), '$history');
      const page = publicationsOf(reply);
      equal(reply['channel'], channel, 'channel');
      const last = Number(reply['offset']);
      equal(
        page.map(({ offset }) => offset),
        [last - 1, last],
        'the offsets',
      );
    },
  },
  {
    name: 'history.pages',
    says: '$history with after brings what is behind it, at most limit; asked again and again, everything once',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const channel = trial.channel();
      const start = dataOf(await talker.request('$publish', { channel, event: unique() }), '$publish');
      const events = await publishSome(talker, channel, 5);
      const read = await readAll(talker, channel, Number(start['offset']));
      equal(
        read.map(({ offset }) => offset),
        countFrom(Number(start['offset']) + 1, read.length),
        'the offsets',
      );
      const mine = read.map(({ event }) => event).filter((event) => events.includes(String(event)));
      equal(mine, events, 'the events');
    },
  },
  {
    name: 'history.limits',
    says: '$history takes a limit of 1-100 and an offset as after; anything else is invalid',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const channel = trial.channel();
      const bad = [
        { limit: 0 },
        { limit: LIMITS.historyPage + 1 },
        { limit: '1' },
        { after: -1 },
        { after: '1' },
      ];
      for (const fields of bad)
        failedWith(
          await talker.request('$history', { channel, ...fields }),
          'invalid',
          JSON.stringify(fields),
        );
    },
  },
  {
    name: 'history.without-subscription',
    says: '$history needs the right to subscribe and no subscription: forbidden, alike for what does not exist',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const secret = await talker.request('$history', { channel: await trial.forbiddenChannel() });
      const absent = await talker.request('$history', { channel: `${unique()}:${unique()}` });
      failedWith(secret, 'forbidden', 'a forbidden channel');
      equal(absent.error, secret.error, 'the error of a channel that does not exist');
      dataOf(await talker.request('$history', { channel: trial.channel() }), '$history');
    },
  },
];

/** Everything behind an offset, in pages of two. */
async function readAll(talker: Talker, channel: string, from: number): Promise<readonly Publication[]> {
  const read: Publication[] = [];
  for (let pages = 0; pages < MOST_PAGES; pages += 1) {
    const after = Number(read.at(-1)?.offset ?? from);
    const reply = dataOf(await talker.request('$history', { channel, after, limit: 2 }), '$history');
    const page = publicationsOf(reply);
    ensure(page.length <= 2, `a page of 2 has ${page.length}`);
    read.push(...page);
    if (Number(page.at(-1)?.offset ?? reply['offset']) >= Number(reply['offset'])) return read;
  }
  throw new Error(`no end after ${MOST_PAGES} pages`);
}

import type { Position } from '@aerie/protocol';
import { dataOf, ensure, equal, failedWith, isNumber } from '../expectations.js';
import { countFrom, publicationsOf, publishSome } from '../publications.js';
import type { Rule } from '../rule.js';
import { type Trial, unique } from '../trial.js';

export const recoveryRules: readonly Rule[] = [
  {
    name: 'recovery.true',
    says: '$subscribe with a position brings what was missed, oldest first, with recovered: true; the next publication is the one behind it',
    run: async (trial) => {
      const { channel, epoch, offset } = await aPosition(trial);
      const publisher = await trial.welcomed(1);
      const events = await publishSome(publisher, channel, 3);
      const again = await trial.welcomed();
      const position = { epoch, offset };
      const reply = dataOf(await again.request('$subscribe', { channel, position }), '$subscribe');
      equal(reply['recovered'], true, 'recovered');
      const missed = publicationsOf(reply);
      equal(
        missed.map((frame) => frame.offset),
        countFrom(offset + 1, missed.length),
        'the offsets of what was missed',
      );
      equal(
        missed.map(({ event }) => event).filter((event) => events.includes(String(event))),
        events,
        'what was missed',
      );
      equal(reply['offset'], offset + missed.length, 'offset');
      const [next = ''] = await publishSome(publisher, channel, 1);
      await again.frame(next);
      const live = again.received.find((frame) => frame.channel === channel);
      equal(live?.offset, Number(reply['offset']) + 1, 'the offset of the next publication');
    },
  },
  {
    name: 'recovery.nothing-missed',
    says: 'a position at the end is recovered: true, with nothing missed',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const channel = trial.channel();
      const { epoch, offset } = dataOf(
        await talker.request('$publish', { channel, event: unique() }),
        '$publish',
      );
      const request = { channel, position: { epoch, offset } };
      const reply = dataOf(await talker.request('$subscribe', request), '$subscribe');
      equal(reply['recovered'], true, 'recovered');
      equal(publicationsOf(reply).length, Number(reply['offset']) - Number(offset), 'what was missed');
    },
  },
  {
    name: 'recovery.foreign-epoch',
    says: 'a position of another epoch is recovered: false, without publications, with the position from which to go on',
    run: (trial) => cannotGoOn(trial, ({ offset }) => ({ epoch: unique(), offset })),
  },
  {
    name: 'recovery.ahead',
    says: 'a position that the channel has not reached is recovered: false',
    run: (trial) => cannotGoOn(trial, ({ epoch, offset }) => ({ epoch, offset: offset + 1_000_000 })),
  },
  {
    name: 'recovery.position',
    says: 'what is no {epoch, offset} is invalid, and so is a position without an id to answer to',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const channel = trial.channel();
      for (const position of [null, 'x', 7, { epoch: 'e' }, { epoch: 'e', offset: -1 }, { offset: 1 }])
        failedWith(
          await talker.request('$subscribe', { channel, position }),
          'invalid',
          `the position ${JSON.stringify(position)}`,
        );
      talker.send({ event: '$subscribe', data: { channel, position: { epoch: 'e', offset: 1 } } });
      failedWith(await talker.frame('exception'), 'invalid', 'a position without an id');
    },
  },
];

interface Place extends Position {
  readonly channel: string;
}

/** Subscribes with a position that the server can't go on from. */
async function cannotGoOn(trial: Trial, wrong: (place: Place) => Position): Promise<void> {
  const place = await aPosition(trial);
  const talker = await trial.welcomed();
  const request = { channel: place.channel, position: wrong(place) };
  const reply = dataOf(await talker.request('$subscribe', request), '$subscribe');
  equal(reply['recovered'], false, 'recovered');
  equal(publicationsOf(reply), [], 'publications');
  equal(reply['epoch'], place.epoch, 'epoch');
  ensure(isNumber(reply['offset']), 'offset is no number');
}

/** A channel with a publication, and where it stands. */
async function aPosition(trial: Trial): Promise<Place> {
  const talker = await trial.welcomed();
  const channel = trial.channel();
  const reply = dataOf(await talker.request('$publish', { channel, event: unique() }), '$publish');
  return { channel, epoch: String(reply['epoch']), offset: Number(reply['offset']) };
}

import { LIMITS } from '@aerie/protocol';
import { ensure, equal, failedWith, fieldsOf, includes, isError, isNumber } from '../expectations.js';
import type { Rule } from '../rule.js';
import { unique } from '../trial.js';

export const messageRules: readonly Rule[] = [
  {
    name: 'message.id-echo',
    says: 'a reply carries the id of its message: any finite number, a string of at most 64 bytes',
    run: async (trial) => {
      const talker = await trial.welcomed();
      for (const id of [0, -1, 1.5, 'a', '', '7', 'x'.repeat(LIMITS.idBytes)]) {
        talker.send({ event: '$ping', id });
        includes(await talker.frame((frame) => frame.id === id), { event: '$pong' }, 'the reply');
      }
    },
  },
  {
    name: 'message.id-invalid',
    says: 'an id that is no finite number and no string of at most 64 bytes is a bad frame',
    run: async (trial) => {
      const talker = await trial.welcomed();
      for (const id of [true, null, {}, [], 'x'.repeat(LIMITS.idBytes + 1), 'é'.repeat(33)]) {
        talker.sendText(JSON.stringify({ event: '$ping', id }));
        failedWith(await talker.frame(isError), 'bad_frame', `the id ${JSON.stringify(id)}`);
      }
    },
  },
  {
    name: 'message.one-reply',
    says: 'every message with an id gets exactly one reply',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const ids = Array.from({ length: 30 }, (_, index) => `one-${index}`);
      for (const id of ids) talker.send({ event: '$ping', id });
      talker.send({ event: '$history', data: { channel: trial.channel() }, id: 'last' });
      await talker.frame(({ id }) => id === 'last');
      await talker.frame(({ id }) => id === ids.at(-1));
      const answered = talker.received.map(({ id }) => id).filter((id) => String(id).startsWith('one-'));
      equal(answered.length, ids.length, 'the number of replies');
      const unanswered = ids.filter((id) => !answered.includes(id));
      equal(unanswered, [], 'what was not answered');
    },
  },
  {
    name: 'message.no-id',
    says: 'a message without an id gets no reply',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const before = talker.received.length;
      talker.send({ event: '$subscribe', data: { channel: trial.channel() } });
      const { id } = await talker.request('$history', { channel: trial.channel() });
      const replies = talker.received.slice(before).filter((frame) => frame.event === undefined);
      equal(
        replies.map((frame) => frame.id),
        [id],
        'the ids of the replies',
      );
    },
  },
  {
    name: 'message.event-name',
    says: 'an event is a string of 1-128 bytes without control characters; anything else is a bad frame',
    run: async (trial) => {
      const talker = await trial.welcomed();
      for (const event of [undefined, 7, null, '', 'a\nb', 'x'.repeat(129), 'é'.repeat(65)]) {
        talker.sendText(JSON.stringify({ event, id: 'bad' }));
        failedWith(
          await talker.frame(({ id }) => id === 'bad'),
          'bad_frame',
          `the event ${JSON.stringify(event)}`,
        );
      }
      const longest = await talker.request('x'.repeat(LIMITS.eventBytes));
      ensure(longest.error?.code !== 'bad_frame', 'an event of 128 bytes is refused');
    },
  },
  {
    name: 'message.unknown-event',
    says: "nobody's event is unknown_event",
    run: async (trial) => {
      const talker = await trial.welcomed();
      const event = unique('conformance.');
      failedWith(await talker.request(event), 'unknown_event', event);
    },
  },
  {
    name: 'message.system-event',
    says: "a client sends no $event but the system's own",
    run: async (trial) => {
      const talker = await trial.welcomed();
      for (const event of ['$nothing', '$welcome', '$join', '$'])
        failedWith(await talker.request(event), 'unknown_event', event);
    },
  },
  {
    name: 'message.unknown-fields',
    says: 'unknown fields are ignored',
    run: async (trial) => {
      const talker = await trial.welcomed();
      talker.sendText('{"id":"more","future":{"a":[1]},"event":"$ping","channel":"x","error":1}');
      includes(await talker.frame(({ id }) => id === 'more'), { event: '$pong' }, 'the reply');
      const channel = trial.channel();
      const { error } = await talker.request('$subscribe', { channel, future: true });
      equal(error, undefined, 'the error');
    },
  },
  {
    name: 'message.error-reply',
    says: 'a message with an id that fails gets {id, error: {code, message}}',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const frame = await talker.request('$subscribe', { channel: 'no channel' });
      failedWith(frame, 'invalid', '$subscribe');
      equal(frame.event, undefined, 'event');
      equal(frame.data, undefined, 'data');
    },
  },
  {
    name: 'message.error-without-id',
    says: "without an id the error comes twice in one frame: as error, and as Nest's exception",
    run: async (trial) => {
      const talker = await trial.welcomed();
      talker.send({ event: '$subscribe', data: { channel: 'no channel' } });
      const frame = await talker.frame(isError);
      failedWith(frame, 'invalid', '$subscribe');
      includes(frame, { event: 'exception', id: undefined }, 'the frame');
      includes(frame.data, { status: 'error', code: 'invalid' }, 'its data');
    },
  },
  {
    name: 'ping.reply',
    says: '$ping gets $pong {serverTime}, with the id or, without one, all the same',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const reply = await talker.request('$ping');
      equal(reply.event, '$pong', 'the event');
      ensure(isNumber(fieldsOf(reply.data)['serverTime']), 'no serverTime');
      talker.send({ event: '$ping' });
      const plain = await talker.frame(({ event, id }) => event === '$pong' && id === undefined);
      ensure(isNumber(fieldsOf(plain.data)['serverTime']), 'no serverTime');
    },
  },
];

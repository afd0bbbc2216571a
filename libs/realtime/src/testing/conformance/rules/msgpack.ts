import { CLOSE, JSON_SUBPROTOCOL, MSGPACK_SUBPROTOCOL } from '@aerie/protocol';
import { encode, ExtData } from '@msgpack/msgpack';
import { endsWith, equal, failedWith, fieldsOf, includes, isError } from '../expectations.js';
import type { Rule } from '../rule.js';
import type { SocketTalker } from '../talker.js';
import { type Trial, unique, userOf } from '../trial.js';

const over = 'msgpack';
const BYTES = new Uint8Array([0, 1, 2, 254, 255]);
const IN_JSON = { $bytes: Buffer.from(BYTES).toString('base64') };
/** A map of one pair whose key is the number 1. */
const NUMBER_AS_KEY = [0x81, 0x01, 0x01];
/** uint 64: 2^53 + 1. */
const TOO_WHOLE = [0xcf, 0x00, 0x20, 0, 0, 0, 0, 0, 0x01];
/** float 64: not a number. */
const NOT_A_NUMBER = [0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0];

export const msgpackRules: readonly Rule[] = [
  {
    name: 'msgpack.selected',
    says: 'aerie.v1.msgpack is answered where it is offered, before JSON',
    over,
    run: async (trial) => {
      const protocols = [JSON_SUBPROTOCOL, MSGPACK_SUBPROTOCOL];
      const { headers } = await trial.probe({ token: trial.token(0), protocols });
      equal(headers['sec-websocket-protocol'], MSGPACK_SUBPROTOCOL, 'the subprotocol');
    },
  },
  {
    name: 'msgpack.frames',
    says: 'its frames are binary, and each is one value: the same objects as in JSON',
    over,
    run: async (trial) => {
      const talker = await packed(trial);
      const before = talker.binaryFrames;
      includes(await talker.request('$ping'), { event: '$pong' }, 'the reply');
      equal(talker.binaryFrames - before, 1, 'the number of binary frames');
    },
  },
  {
    name: 'msgpack.text',
    says: 'a text frame is a bad_frame there',
    over,
    run: async (trial) => {
      const talker = await packed(trial);
      talker.sendText('{"event":"$ping"}');
      failedWith(await talker.frame(isError), 'bad_frame', 'a text frame');
      includes(await talker.request('$ping'), { event: '$pong' }, 'the reply behind it');
    },
  },
  {
    name: 'msgpack.values',
    says: "what JSON can't say is a bad_frame: extension types, keys that are no strings, whole numbers beyond 2^53, NaN",
    over,
    run: async (trial) => {
      const talker = await packed(trial);
      const extension = encode(new ExtData(7, BYTES));
      for (const value of [extension, NUMBER_AS_KEY, TOO_WHOLE, NOT_A_NUMBER]) {
        talker.sendBinary(messageWith(value));
        failedWith(
          await talker.frame(isError),
          'bad_frame',
          `the value ${Buffer.from(value).toString('hex')}`,
        );
      }
    },
  },
  {
    name: 'msgpack.bytes',
    says: 'bytes in data arrive as bytes, and at clients of JSON as {"$bytes": "<base64>"}; so they do the other way',
    over,
    run: async (trial) => {
      const [talker, json] = [await packed(trial), await trial.welcomed(1)];
      const channel = trial.channel();
      for (const one of [talker, json]) await one.request('$subscribe', { channel });
      for (const [publisher, data] of [
        [talker, { of: BYTES }],
        [json, { of: IN_JSON }],
      ] as const) {
        const event = unique();
        await publisher.request('$publish', { channel, event, data });
        const atTalker = fieldsOf((await talker.frame(event)).data);
        equal(new Uint8Array(atTalker['of'] as Uint8Array), BYTES, 'what came in MessagePack');
        const { data: atJson, from } = await json.frame(event);
        equal(
          { data: atJson, from },
          { data: { of: IN_JSON }, from: userOf(publisher) },
          'what came in JSON',
        );
      }
    },
  },
  {
    name: 'msgpack.size',
    says: 'a frame larger than maxFrameBytes ends the connection with 1009',
    over,
    run: async (trial) => {
      const talker = await packed(trial);
      const { maxFrameBytes } = fieldsOf(talker.received[0]?.data);
      talker.sendBinary(encode({ event: '$ping', data: new Uint8Array(Number(maxFrameBytes)) }));
      await endsWith(talker, CLOSE.tooLarge);
    },
  },
];

/** A connection of the first user in MessagePack that was welcomed. */
async function packed(trial: Trial): Promise<SocketTalker> {
  const protocols = [MSGPACK_SUBPROTOCOL];
  const talker = await trial.connect({ token: trial.token(0), protocols });
  await talker.frame('$welcome');
  return talker;
}

/** `{"event": "$ping", "data": <value>}`, whatever bytes the value is. */
function messageWith(value: ArrayLike<number>): Uint8Array {
  const [event, ping, data] = ['event', '$ping', 'data'].map((text) => encode(text));
  return Buffer.concat([[0x82], event ?? [], ping ?? [], data ?? [], value].map((part) => Buffer.from(part)));
}

import { CLOSE } from '@aerie/protocol';
import { endsWith, equal, includes } from '../expectations.js';
import type { Rule } from '../rule.js';

const TEXT = '{"event":"$ping","id":"ü"}';
const NO_UTF8 = Uint8Array.of(0x22, 0xff, 0x22);

/** What only a WebSocket has: kinds of frames, fragments, control frames. */
export const wireRules: readonly Rule[] = [
  {
    name: 'wire.fragments',
    says: 'a message may come in fragments, cut within a character too, with control frames between them',
    run: async (trial) => {
      const talker = await trial.welcomed();
      talker.sendFragments(TEXT.split(''));
      includes(await talker.frame(({ id }) => id === 'ü'), { event: '$pong' }, 'the reply');
    },
  },
  {
    name: 'wire.binary',
    says: 'a binary frame is taken where it holds the same JSON; the server sends text only',
    run: async (trial) => {
      const talker = await trial.welcomed();
      talker.sendBinary(Buffer.from(TEXT));
      includes(await talker.frame(({ id }) => id === 'ü'), { event: '$pong' }, 'the reply');
      equal(talker.binaryFrames, 0, 'the number of binary frames from the server');
    },
  },
  {
    name: 'wire.ping',
    says: 'a WebSocket ping gets a pong with its payload',
    run: async (trial) => {
      const talker = await trial.welcomed();
      equal(await talker.ping('are you there?'), 'are you there?', 'the payload of the pong');
    },
  },
  {
    name: 'wire.not-utf8',
    says: "a text frame that isn't UTF-8 ends the connection with 1007",
    run: async (trial) => {
      const talker = await trial.welcomed();
      talker.sendAsText(NO_UTF8);
      await endsWith(talker, CLOSE.invalidData);
    },
  },
  {
    name: 'wire.unmasked',
    says: 'a frame that breaks RFC 6455, as one without a mask does, ends the connection with 1002',
    run: async (trial) => {
      const talker = await trial.welcomed();
      talker.sendUnmasked(TEXT);
      await endsWith(talker, CLOSE.protocolError);
    },
  },
  {
    name: 'wire.goodbye',
    says: "a client's goodbye is answered with its own code",
    run: async (trial) => {
      for (const code of [1000, 4000]) {
        const talker = await trial.welcomed();
        equal((await talker.close(code)).code, code, 'the code of the close');
      }
    },
  },
];

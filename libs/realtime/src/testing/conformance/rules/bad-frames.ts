import { CLOSE, LIMITS } from '@aerie/protocol';
import { endsWith, ensure, equal, failedWith, fieldsOf, includes, isError } from '../expectations.js';
import type { Rule } from '../rule.js';
import type { SocketTalker } from '../talker.js';
import type { Trial } from '../trial.js';

const SECRET = 'payload-that-must-not-come-back';
const DEFAULT_BURST = 200;
const BAD_FRAME_COSTS = 10;
const BAD_FRAMES = 100;

/** What is no message, by what is wrong with it. */
const BAD: Readonly<Record<string, string>> = {
  'no JSON': `{"event":"${SECRET}`,
  'an array': `["${SECRET}"]`,
  'a text': `"${SECRET}"`,
  null: 'null',
  nothing: '',
  'no event': `{"data":"${SECRET}"}`,
  'a wrong event': JSON.stringify({ event: SECRET.padEnd(LIMITS.eventBytes + 1, 'x') }),
  'a control character': JSON.stringify({ event: `${SECRET}\n` }),
};

export const badFrameRules: readonly Rule[] = [
  {
    name: 'bad-frame.answered',
    says: 'what is no JSON object with an event gets the error bad_frame, and the connection lives',
    run: async (trial) => {
      const talker = await trial.welcomed();
      for (const [what, text] of Object.entries(BAD))
        failedWith(await answerTo(talker, text), 'bad_frame', what);
      includes(await talker.request('$ping'), { event: '$pong' }, 'the reply behind it');
    },
  },
  {
    name: 'bad-frame.small',
    says: 'an error for what is no message is at most 256 bytes, whatever its id was',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const long = JSON.stringify({ event: 7, id: '\u0001'.repeat(LIMITS.idBytes) });
      for (const text of [...Object.values(BAD), long]) {
        const bytes = Buffer.byteLength(JSON.stringify(await answerTo(talker, text)));
        ensure(bytes <= LIMITS.errorFrameBytes, `the error is ${bytes} bytes`);
      }
    },
  },
  {
    name: 'bad-frame.no-echo',
    says: 'an error for what is no message never holds what was sent',
    run: async (trial) => {
      const talker = await trial.welcomed();
      for (const [what, text] of Object.entries(BAD))
        ensure(
          !JSON.stringify(await answerTo(talker, text)).includes(SECRET),
          `the error for ${what} has the payload`,
        );
    },
  },
  {
    name: 'bad-frame.id',
    says: 'an error for a bad frame has the id of the message where that could be read, and else none',
    run: async (trial) => {
      const talker = await trial.welcomed();
      equal((await answerTo(talker, '{"id":7,"event":""}')).id, 7, 'the id');
      equal((await answerTo(talker, 'garbage{')).id, undefined, 'the id');
    },
  },
  {
    name: 'bad-frame.depth',
    says: 'JSON may be 64 deep; 65 is a bad frame',
    run: async (trial) => {
      const talker = await trial.welcomed();
      talker.sendText(`{"event":"$ping","id":1,"data":${nested(LIMITS.jsonDepth - 1)}}`);
      includes(await talker.frame(({ id }) => id === 1), { event: '$pong' }, 'the reply');
      const deeper = await answerTo(talker, `{"event":"$ping","data":${nested(LIMITS.jsonDepth)}}`);
      failedWith(deeper, 'bad_frame', 'JSON 65 deep');
    },
  },
  {
    name: 'bad-frame.persistent',
    says: 'a hundred bad frames within 10 s end the connection with 1008, or with 4429 where their cost of ten messages each is spent before',
    run: async (trial) => {
      const talker = await trial.welcomed();
      for (let sent = 0; sent < 2 * BAD_FRAMES; sent += 1) talker.sendText('garbage{');
      const spent = burstOf(trial) < BAD_FRAMES * BAD_FRAME_COSTS;
      await endsWith(talker, spent ? CLOSE.rateLimited : CLOSE.policy);
    },
  },
  {
    name: 'rate.limit',
    says: 'more messages than the budget allows end the connection with 4429',
    run: async (trial) => {
      const talker = await trial.welcomed();
      for (let sent = 0; sent < 3 * burstOf(trial); sent += 1) talker.send({ event: '$ping' });
      await endsWith(talker, CLOSE.rateLimited);
    },
  },
  {
    name: 'frame.size',
    says: 'a frame of maxFrameBytes is taken; a larger one ends the connection with 1009',
    run: async (trial) => {
      const talker = await trial.welcomed();
      const welcome = talker.received.find(({ event }) => event === '$welcome');
      const maxFrameBytes = Number(fieldsOf(welcome?.data)['maxFrameBytes']);
      talker.sendText(pingOf(maxFrameBytes));
      includes(await talker.frame(({ id }) => id === 1), { event: '$pong' }, 'the reply');
      talker.sendText(pingOf(maxFrameBytes + 1));
      await endsWith(talker, CLOSE.tooLarge);
    },
  },
];

async function answerTo(talker: SocketTalker, text: string): ReturnType<SocketTalker['frame']> {
  talker.sendText(text);
  return talker.frame(isError);
}

function burstOf({ target }: Trial): number {
  return target.messagesBurst ?? DEFAULT_BURST;
}

function nested(depth: number): string {
  return '['.repeat(depth) + ']'.repeat(depth);
}

function pingOf(bytes: number): string {
  const empty = '{"event":"$ping","id":1,"data":""}';
  return empty.replace('""', `"${'x'.repeat(bytes - empty.length)}"`);
}

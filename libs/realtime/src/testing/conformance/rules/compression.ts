import { randomBytes } from 'node:crypto';
import { constants, deflateRawSync } from 'node:zlib';
import { CLOSE, type Message } from '@aerie/protocol';
import { dataOf, endsWith, ensure, equal, fieldsOf, includes } from '../expectations.js';
import type { Rule } from '../rule.js';
import type { SocketTalker } from '../talker.js';
import { type Trial, unique } from '../trial.js';

const over = 'compression';
const EACH_BY_ITSELF = ['server_no_context_takeover', 'client_no_context_takeover'];
/** Long enough for a server to find it worth while. */
const LONG_CHARS = 4_096;
/** RFC 7692 leaves these off the end of a message: an empty block. */
const TAIL_BYTES = 4;

export const compressionRules: readonly Rule[] = [
  {
    name: 'compression.agreed',
    says: 'permessage-deflate is agreed upon where it is offered, with each message compressed by itself in both directions',
    over,
    run: async (trial) => {
      const [extension, ...parameters] = parametersOf(await answerTo(trial, 'permessage-deflate'));
      equal(extension, 'permessage-deflate', 'the extension');
      equal(
        EACH_BY_ITSELF.filter((name) => !parameters.includes(name)),
        [],
        'what is missing in Sec-WebSocket-Extensions',
      );
    },
  },
  {
    name: 'compression.frames',
    says: 'compressed messages are taken and publications can be read, one after the other, whoever compresses',
    over,
    run: async (trial) => {
      const [publisher, plain] = [await compressing(trial), await trial.welcomed(1)];
      const channel = trial.channel();
      for (const talker of [publisher, plain]) await talker.request('$subscribe', { channel });
      // What was in one message already would be sent as a reference to it, were the messages not each by itself.
      const data = randomBytes(LONG_CHARS)
        .toString('base64')
        .slice(0, Math.min(LONG_CHARS, maxFrameOf(publisher) / 2));
      for (const event of [unique(), unique(), unique()]) {
        const message = { event: '$publish', id: event, data: { channel, event, data } };
        publisher.sendCompressed(deflated(message));
        dataOf(await publisher.frame(({ id }) => id === event), '$publish');
        for (const talker of [publisher, plain])
          includes(await talker.frame(event), { channel, data }, 'the publication');
      }
    },
  },
  {
    name: 'compression.size',
    says: 'what has become larger than maxFrameBytes once inflated ends the connection with 1009',
    over,
    run: async (trial) => {
      const talker = await compressing(trial);
      talker.sendCompressed(deflated({ event: '$ping', data: 'x'.repeat(maxFrameOf(talker)) }));
      await endsWith(talker, CLOSE.tooLarge);
    },
  },
  {
    name: 'compression.garbage',
    says: 'what does not inflate ends the connection with 1007',
    over,
    run: async (trial) => {
      const talker = await compressing(trial);
      talker.sendCompressed(new Uint8Array(5).fill(0xff));
      equal((await talker.closed).code, CLOSE.invalidData.code, 'the code of the close');
    },
  },
  {
    name: 'compression.unknown-offer',
    says: 'an offer that the server does not understand is passed over, and no reason to refuse',
    over,
    run: async (trial) => {
      for (const offer of [
        'permessage-deflate; conformance',
        'permessage-deflate; server_max_window_bits=99',
      ])
        equal(await answerTo(trial, offer), undefined, `the answer to ${offer}`);
    },
  },
  {
    name: 'compression.unasked',
    says: 'a compressed frame of who did not offer it ends the connection with 1002',
    run: async (trial) => {
      const talker = await trial.welcomed();
      talker.sendCompressed(deflated({ event: '$ping' }));
      equal((await talker.closed).code, CLOSE.protocolError.code, 'the code of the close');
    },
  },
];

/** A connection of the first user that may compress. */
async function compressing(trial: Trial): Promise<SocketTalker> {
  const talker = await trial.connect({ token: trial.token(0), compression: true });
  await talker.frame('$welcome');
  return talker;
}

/** What the server says to an offer, having accepted the connection. */
async function answerTo(trial: Trial, offer: string): Promise<string | undefined> {
  const headers = { 'sec-websocket-extensions': offer };
  const answer = await trial.probe({ token: trial.token(0), headers });
  equal(answer.status, 101, 'the status');
  return answer.headers['sec-websocket-extensions'];
}

function parametersOf(header: string | undefined): readonly string[] {
  ensure(header !== undefined, 'no Sec-WebSocket-Extensions');
  return header.split(';').map((part) => part.trim());
}

function maxFrameOf({ received }: SocketTalker): number {
  const welcome = received.find(({ event }) => event === '$welcome');
  return Number(fieldsOf(welcome?.data)['maxFrameBytes']);
}

/** A message, compressed by itself. */
function deflated(message: Message): Uint8Array {
  const { Z_SYNC_FLUSH: finishFlush } = constants;
  return deflateRawSync(JSON.stringify(message), { finishFlush }).subarray(0, -TAIL_BYTES);
}

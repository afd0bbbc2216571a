import { setTimeout } from 'node:timers/promises';
import { CLOSE, type Close } from '@aerie/protocol';
import { STATUS } from '../../../transports/grpc/grpc-status.js';
import { hasStatus, saysWhy } from '../client-call.js';
import {
  dataOf,
  endsWith,
  ensure,
  equal,
  failedWith,
  fieldsOf,
  includes,
  isError,
  isNumber,
} from '../expectations.js';
import type { GrpcTalker } from '../grpc-talker.js';
import { publicationsOf, publishSome } from '../publications.js';
import type { Rule } from '../rule.js';
import { type Trial, unique, userOf } from '../trial.js';

const needs = ['grpcUrl'] as const;
/** A field of a type that there isn't. */
const NO_MESSAGE = Uint8Array.of(0x0f);
/** Time enough for what is done before. */
const DEADLINE_MS = 2_000;

export const grpcRules: readonly Rule[] = [
  {
    name: 'grpc.welcome',
    says: 'Connect with authorization in its metadata is welcomed first, with the transport grpc',
    needs,
    run: async (trial) => {
      const talker = trial.grpc.connect({ token: trial.token(0) });
      const { data } = await talker.frame('$welcome');
      equal(talker.received[0]?.event, '$welcome', 'the first frame');
      includes(data, { transport: 'grpc', user: userOf(await trial.welcomed()) }, 'the data of $welcome');
    },
  },
  {
    name: 'grpc.refused',
    says: 'who brings no credential, or a bad one, gets UNAUTHENTICATED, the error code as its reason, and no frame',
    needs,
    run: async (trial) => {
      for (const token of [undefined, 'a.b.c'])
        saysWhy(await trial.grpc.refused({ token }), STATUS.UNAUTHENTICATED, 'unauthenticated');
    },
  },
  {
    name: 'grpc.origin',
    says: 'an Origin that is not allowed gets PERMISSION_DENIED',
    needs,
    run: async (trial) => {
      const metadata = { origin: 'https://conformance.invalid' };
      const end = await trial.grpc.refused({ token: trial.token(0), metadata });
      saysWhy(end, STATUS.PERMISSION_DENIED, 'forbidden');
    },
  },
  {
    name: 'grpc.replies',
    says: 'a message with an id is answered with that id, by a reply or an error',
    needs,
    run: async (trial) => {
      const talker = await connected(trial);
      const pong = await talker.request('$ping');
      equal(pong.event, '$pong', 'the event of the answer');
      ensure(isNumber(fieldsOf(pong.data)['serverTime']), 'the answer to $ping has no serverTime');
      failedWith(await talker.request(unique()), 'unknown_event', 'an unknown event');
    },
  },
  {
    name: 'grpc.bad-frame',
    says: 'what is no ClientFrame, or has no JSON as data, is answered with bad_frame, and the connection goes on',
    needs,
    run: async (trial) => {
      const talker = await connected(trial);
      talker.sendBytes(NO_MESSAGE);
      failedWith(await talker.frame(isError), 'bad_frame', 'what is no message');
      talker.sendFields({ event: '$ping', data: '1,"event":"$ping"' });
      failedWith(await talker.frame(isError), 'bad_frame', 'what is no JSON');
      equal((await talker.request('$ping')).event, '$pong', 'the answer behind it');
    },
  },
  {
    name: 'grpc.size',
    says: 'a message larger than maxFrameBytes ends the connection with 1009, and RESOURCE_EXHAUSTED',
    needs,
    run: async (trial) => {
      const talker = await connected(trial);
      const { maxFrameBytes } = fieldsOf(talker.received[0]?.data);
      talker.send({ event: '$ping', data: 'x'.repeat(Number(maxFrameBytes)) });
      await endsTwice(talker, CLOSE.tooLarge, STATUS.RESOURCE_EXHAUSTED);
    },
  },
  {
    name: 'grpc.publications',
    says: 'publications go from one transport to the other, with channel, data, from and offset',
    needs,
    run: async (trial) => {
      const [talker, other] = [await connected(trial), await trial.welcomed(1)];
      const channel = trial.channel();
      for (const one of [talker, other])
        equal(
          dataOf(await one.request('$subscribe', { channel }), '$subscribe')['channel'],
          channel,
          'channel',
        );
      for (const publisher of [talker, other]) {
        const event = unique();
        const data = { text: 'ü "x"', numbers: [1.5, null] };
        dataOf(await publisher.request('$publish', { channel, event, data, from: unique() }), '$publish');
        const [here, there] = [await talker.frame(event), await other.frame(event)];
        includes(here, { channel, data, from: userOf(publisher) }, 'what came by gRPC');
        ensure(isNumber(here.offset), 'what came by gRPC has no offset');
        equal(here, there, 'what came by gRPC');
      }
    },
  },
  {
    name: 'grpc.forbidden',
    says: 'a channel that is forbidden and one that does not exist answer alike, with forbidden',
    needs,
    run: async (trial) => {
      const talker = await connected(trial);
      const secret = await talker.request('$subscribe', { channel: await trial.forbiddenChannel() });
      const absent = await talker.request('$subscribe', { channel: `${unique()}:${unique()}` });
      failedWith(secret, 'forbidden', 'a forbidden channel');
      equal(absent.error, secret.error, 'the error of a channel that does not exist');
    },
  },
  {
    name: 'grpc.resume',
    says: 'who comes back with its positions after a cut goes on where it was: what was missed comes once, in order',
    needs,
    run: async (trial) => {
      const following = await follow(trial, await connected(trial));
      following.talker.drop();
      await goesOn(trial, following);
    },
  },
  {
    name: 'grpc.deadline',
    says: 'a call with a deadline is taken like any other; past it the server may end it with DEADLINE_EXCEEDED, and who comes back goes on where it was',
    needs,
    run: async (trial) => {
      const metadata = { 'grpc-timeout': `${DEADLINE_MS}m` };
      const talker = trial.grpc.connect({ token: trial.token(0), metadata });
      const following = await follow(trial, talker);
      const end = await Promise.race([talker.ended, setTimeout(DEADLINE_MS, undefined)]);
      if (end !== undefined) hasStatus(end, STATUS.DEADLINE_EXCEEDED);
      talker.drop();
      await goesOn(trial, following);
    },
  },
  {
    name: 'grpc.goodbye',
    says: 'a client says goodbye by ending its messages: the status is OK',
    needs,
    run: async (trial) => {
      const talker = await connected(trial);
      await talker.close();
      hasStatus(await talker.ended, STATUS.OK);
    },
  },
  {
    name: 'grpc.close',
    says: 'the end is told by $close {code, reason} as the last frame, and by a status with that code as its reason',
    needs,
    run: async (trial) => {
      const talker = await connected(trial);
      talker.send({ event: '$auth', data: { token: trial.token(1) } });
      await endsTwice(talker, CLOSE.policy, STATUS.FAILED_PRECONDITION);
    },
  },
];

/** A connection of the first user that was welcomed. */
async function connected(trial: Trial): Promise<GrpcTalker> {
  const talker = trial.grpc.connect({ token: trial.token(0) });
  await talker.frame('$welcome');
  return talker;
}

interface Following {
  readonly talker: GrpcTalker;
  readonly channel: string;
  readonly epoch: string;
  /** Where it stands. */
  readonly offset: number;
}

/** Subscribes to a new channel, and gets a publication. */
async function follow(trial: Trial, talker: GrpcTalker): Promise<Following> {
  const channel = trial.channel();
  const { epoch } = dataOf(await talker.request('$subscribe', { channel }), '$subscribe');
  const [seen = ''] = await publishSome(await trial.welcomed(1), channel, 1);
  const { offset } = await talker.frame(seen);
  return { talker, channel, epoch: String(epoch), offset: Number(offset) };
}

/** Comes back with a position, having missed something. */
async function goesOn(trial: Trial, { channel, epoch, offset }: Following): Promise<void> {
  const publisher = await trial.welcomed(1);
  const missed = await publishSome(publisher, channel, 3);
  const back = await connected(trial);
  const request = { channel, position: { epoch, offset } };
  const reply = dataOf(await back.request('$subscribe', request), '$subscribe');
  equal(reply['recovered'], true, 'recovered');
  const brought = publicationsOf(reply).map(({ event }) => event);
  const [next = ''] = await publishSome(publisher, channel, 1);
  await back.frame(next);
  const live = back.received.filter((frame) => frame.channel === channel).map(({ event }) => event);
  equal([...brought, ...live], [...missed, next], 'what was missed, and what came behind it');
}

/** Ends with this last frame, and with a status that says the same. */
async function endsTwice(talker: GrpcTalker, close: Close, code: number): Promise<void> {
  await endsWith(talker, close);
  saysWhy(await talker.ended, code, String(close.code));
}
